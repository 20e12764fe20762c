"""Runs one measurement of a module in a process of its own: libraries that share one change each other's speed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import orjson


def measured(module: str, *arguments: object) -> Any:
    """What ``python -m MODULE ARGUMENTS`` prints as JSON in its last line. Raises RuntimeError with its last words."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    # numpy's products are one of the ways to measure the peak: in each of the workers' threads, not in more
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(map(str, arguments))} failed:\n{done.stderr.decode()[-2000:]}")
    return orjson.loads(done.stdout.splitlines()[-1])
