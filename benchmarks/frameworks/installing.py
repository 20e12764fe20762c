"""Install each framework with uv into an environment of its own, in this project's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_STEPS_NEED = ("orjson==3.13.0", "ahocorasick-rs==1.0.3")  # what `contract` and `steps` import
_INSTALL_SECONDS = 300


class FrameworkMissing(Exception):
    """The framework cannot be installed here; the message says why."""


@dataclass(frozen=True)
class Framework:
    """A framework that does the job: its script, and what its environment needs (empty: it is our own)."""

    name: str
    module: str
    does: str
    requirements: tuple[str, ...] = ()


_STEPS = "our steps for each record, acks=all, lz4, {}"
FRAMEWORKS = (
    Framework(
        "Faust, take and send",
        "faust_take",
        _STEPS.format("take_events(1000), Faust's send, all awaited before Faust acknowledges them"),
    ),
    Framework(
        "Quix Streams",
        "quix",
        _STEPS.format("apply, to_topic, idempotent, checkpoints each 0.5 s"),
        ("quixstreams==3.28.1",),
    ),
    Framework(
        "FastStream (confluent)",
        "faststream_confluent",
        _STEPS.format("batches of 1000, publish without waiting, all awaited, idempotent, committed per batch"),
        ("faststream[confluent]==0.7.8",),
    ),
    Framework(
        "aiokafka",
        "plain_aiokafka",
        _STEPS.format("getmany(1000), send, idempotent, all awaited and committed each 0.5 s"),
        ("aiokafka[lz4]==0.14.0",),
    ),
)


def python_of(framework: Framework) -> Path:
    """Return the interpreter of the framework. Installs its environment the first time. Raises FrameworkMissing."""
    if not framework.requirements:
        return Path(sys.executable)
    uv = _uv()
    requirements = (*framework.requirements, *_STEPS_NEED)
    digest = hashlib.sha256(" ".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    folder = _cache() / f"{framework.module}-{digest}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *requirements)
        ready.touch()
    return python


def _uv() -> str:
    # `make setup` brings one into .uv/ where the PATH has none
    found = (
        os.environ.get("UV") or shutil.which("uv") or shutil.which("uv", path=Path(__file__).parents[2] / ".uv" / "bin")
    )
    if found is None:
        raise FrameworkMissing("uv is not installed here")
    return found


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stream-app" / "bench-peers"


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no reason given"]
        raise FrameworkMissing(f"not installed: {lines[-1].strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise FrameworkMissing(f"not installed within {_INSTALL_SECONDS} s") from error
