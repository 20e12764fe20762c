"""Keeps what was measured on this machine in a file, by processor and by the versions of the libraries."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ctranslate2
import orjson
import torch

from stream_app.cache import cache_folder

_VERSION = 7  # raised whenever something else is measured, so that older answers are not used


def remembered(key: str, measure: Callable[[], Any]) -> Any:
    """Return what was measured on this machine before, else measure. A broken file counts as none."""
    if (kept := recalled(key)) is not None:
        return kept
    answer = measure()
    remember(key, answer)
    return answer


def recalled(key: str) -> Any:
    """Return what was measured on this machine with these libraries, or None."""
    try:
        return orjson.loads(_measured().read_bytes())[_machine()][key]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _measured() -> Path:
    return cache_folder() / "measured.json"


def _machine() -> str:
    return f"{_processor()} torch {torch.__version__} ctranslate2 {ctranslate2.__version__} sweep {_VERSION}"


def remember(key: str, answer: Any) -> None:
    """Keep ``answer``, which JSON can hold. Failing to write is no error."""
    file = _measured()
    try:
        kept = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        kept = {}
    if not isinstance(kept, dict):
        kept = {}
    kept.setdefault(_machine(), {})[key] = answer
    temporary = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))
        temporary.replace(file)
    except OSError:
        return  # a read-only home: it is measured again next time


@contextmanager
def measuring() -> Iterator[None]:
    """Let one process of this machine measure at a time: others would slow it down, and find its answer afterwards."""
    with ExitStack() as held:
        try:
            cache_folder().mkdir(parents=True, exist_ok=True)
            file = held.enter_context((cache_folder() / "measuring.lock").open("wb"))
            fcntl.flock(file, fcntl.LOCK_EX)  # gone with the process, however it ends
        except OSError:
            pass  # a home that is read-only, or without locks
        yield


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    wanted = {"model name", "model", "cpu family"}
    return " ".join(sorted({line.split(":", 1)[1].strip() for line in lines if line.split("\t")[0] in wanted}))
