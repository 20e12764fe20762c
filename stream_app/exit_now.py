"""Ends the process without waiting for its threads."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


class Stop:
    """What a process that is asked to stop ends with."""

    exit_code = 0


def exit_now(code: int) -> NoReturn:
    """End with this exit code, once all that matters is closed.

    Python would first wait for threads of executors, which may wait for a server that is away, or load a model.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def exit_stopped() -> NoReturn:
    """End as a process that was asked to stop."""
    exit_now(Stop.exit_code)
