"""`python -m tests.reliability.fuzz`: fuzz the decoders and the steps."""

import sys

from tests.reliability.fuzz.run import main

if __name__ == "__main__":  # each process of the pool imports this module again
    sys.exit(main())
