"""`stream-app worker ROLE` with models that cost nothing: python -m tests.integration.scripted_program worker ROLE

TROUBLES (environment) names the folder in which tests/reliability/testbed/scripted_models.py looks for what fails.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from stream_app import telemetry
from stream_app.roles.run import run_worker
from stream_app.settings import Settings
from tests.reliability.testbed.scripted_models import load_scripted_models

PROGRAM = (sys.executable, "-m", "tests.integration.scripted_program")


def main() -> None:
    settings = Settings(_env_file=None)
    troubles = Path(os.environ["TROUBLES"])
    telemetry.configure(settings.log_level, settings.log_json)
    run_worker(settings, sys.argv[2], load=partial(load_scripted_models, troubles))


if __name__ == "__main__":
    main()
