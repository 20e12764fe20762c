"""A server process and the folder that it runs in: started, found again, stopped.

A server's working folder is its data folder, and `server.json` in it holds its pid and address. A process is taken
for ours only when it lives, has that pid and works in that folder, so that a stale file never names a stranger.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from stream_app.embedded.bound_process import bound
from stream_app.ports import ConfigurationError

_STATE = "server.json"
_LOG = "server.log"
_PORT = re.compile(r":(\d+)(?:/|$)")
_POLL_SECONDS = 0.02
_TRIES = 3  # a port that was free may be taken before the server binds it
_KILL_SECONDS = 10.0  # the kernel ends a killed process once its disk accesses return


class PortTaken(Exception):
    """A server ended because its port was taken in the meantime."""


@dataclass(frozen=True)
class ServerProcess:
    """A server of ours: its pid, where it listens, the folder it works in."""

    pid: int
    address: str
    folder: Path
    _process: Any  # psutil.Process, or psutil.Popen when it is our child

    @property
    def running(self) -> bool:
        """Whether the process lives; a zombie child does not."""
        try:
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def stop(self, grace_seconds: float) -> None:
        """Ask the server to end (SIGTERM), kill it when it hasn't after `grace_seconds`; returns when it is gone."""
        self._signal(signal.SIGTERM)
        if not self._gone_within(grace_seconds):
            self.kill()
        forget_server(self.folder)

    def kill(self) -> None:
        """End the server at once (SIGKILL); returns when it is gone. `server.json` stays, as after a crash."""
        self._signal(signal.SIGKILL)
        self._gone_within(_KILL_SECONDS)

    def _signal(self, number: int) -> None:
        with suppress(psutil.NoSuchProcess):
            self._process.send_signal(number)

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.running:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        # Takes its exit code when it was our child. Another's may stay a zombie, which has ended.
        with suppress(psutil.TimeoutExpired):
            self._process.wait(0)
        return True


def start_server(command: Sequence[str], folder: Path, address: str, *, detached: bool) -> ServerProcess:
    """Start a server in its folder, output in `server.log` there (the log of the run before: `server.log.previous`).

    Unless `detached`, the system kills the server when the thread that called this ends, by whatever cause (Linux;
    elsewhere it outlives a killed parent). So call it from a thread that lives as long: usually the main one.
    Either way the server has a session of its own: Ctrl-C in a terminal reaches only its parent, which stops it.
    Raises ConfigurationError when a server works in that folder already: two would destroy each other's files.
    """
    if other := find_server(folder):
        raise ConfigurationError(
            f"process {other.pid} ({other.address}) works in {folder} already: stop it, or choose another data folder"
        )
    log = folder / _LOG
    if log.exists():
        log.replace(folder / f"{_LOG}.previous")
    with log.open("wb") as output:
        process = psutil.Popen(
            command if detached else bound(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (folder / _STATE).write_text(json.dumps({"pid": process.pid, "address": address}))
    return ServerProcess(process.pid, address, folder, process)


def start_on_free_ports(name: str, folder: Path, start: Callable[[], None], stop: Callable[[], None]) -> None:
    """Call ``start``, again after ``stop`` where it raises PortTaken; anything else that it raises is raised after it.

    ``folder``: of the log that the error shows when ports were taken each time.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            start()
            return
        except PortTaken:
            stop()
            if attempt == _TRIES:
                raise did_not_start(name, folder, "its ports are busy") from None
        except BaseException:
            stop()
            raise


def find_server(folder: Path) -> ServerProcess | None:
    """The server that works in this folder, started by any process of this user; None when there is none."""
    try:
        state = json.loads((folder / _STATE).read_text())
        process = psutil.Process(state["pid"])
        found = ServerProcess(state["pid"], state["address"], folder, process)
        return found if found.running and Path(process.cwd()).samefile(folder) else None
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess, psutil.AccessDenied):
        # no file, a file cut short by a crash, or a pid that belongs to another process by now
        return None


def forget_server(folder: Path) -> None:
    """Remove what a server that no longer runs left in `server.json`."""
    (folder / _STATE).unlink(missing_ok=True)


def address_of_last_run(folder: Path) -> str | None:
    """Where the server of this folder listens, or did before it died. None after a stop."""
    try:
        return str(json.loads((folder / _STATE).read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def port_of_last_run(folder: Path) -> int | None:
    """The port of that address: its clients look there again."""
    found = _PORT.search(address_of_last_run(folder) or "")
    return int(found[1]) if found else None


def log_of(folder: Path) -> Path:
    """The log file of the server in this folder."""
    return folder / _LOG


def why_it_ended(name: str, folder: Path, what: str) -> Exception:
    """Return PortTaken where the log of the server that ended in this folder reports it, else ``did_not_start``."""
    log = log_of(folder)
    if log.exists() and "Address already in use" in log.read_text(errors="replace"):
        return PortTaken()
    return did_not_start(name, folder, f"the {what} ended")


def did_not_start(name: str, folder: Path, why: str) -> ConfigurationError:
    """The error that shows the last lines of a server's log, and what to do."""
    log = log_of(folder)
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    quoted = "\n".join(f"    {line}" for line in lines) or "    (empty)"
    return ConfigurationError(
        f"{name} did not start: {why}. The last lines of {log}:\n{quoted}\n"
        "Fix what they name (memory, disk space, permissions), or start with an empty data folder instead."
    )
