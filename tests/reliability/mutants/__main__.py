"""`python -m tests.reliability.mutants`: run each mutant's tests."""

import signal
import sys

from tests.reliability.mutants.project_copy import Unusable
from tests.reliability.mutants.run import main

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the copy is removed, and the tests end
    try:
        sys.exit(main())
    except Unusable as error:
        sys.exit(f"{error}")
