"""Starts the processes of every role and the API, restarts those that die, and stops all at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from stream_app.commands.options import environment_of
from stream_app.embedded.bound_process import bound
from stream_app.embedded.free_port import free_port
from stream_app.ports import ConfigurationError
from stream_app.role_table import ROLES
from stream_app.roles.exit_codes import EXIT_VIEW_SWITCHED
from stream_app.settings import Settings

PROGRAM = (sys.executable, "-m", "stream_app")
_LONGEST_PAUSE_SECONDS = 30.0
_STABLE_AFTER_SECONDS = 60.0
_GRACE_SECONDS = 20.0
_EXIT_CONFIGURATION = 2


@dataclass(frozen=True, slots=True)
class Member:
    """One worker of a role on this machine; numbered from 1, so that a restarted one is the same as before."""

    role: str
    number: int = 1

    @property
    def name(self) -> str:
        """enrich, enrich-2, enrich-3, …"""
        return self.role if self.number == 1 else f"{self.role}-{self.number}"


def members_of(roles: Sequence[str], enrich: int) -> list[Member]:
    """One worker per role, then the further ones of ``enrich``. Raises ConfigurationError when there is to be none."""
    if enrich < 1:
        raise ConfigurationError(f"{enrich} processes of enrich cannot run: ask for 1 or more (--enrich).")
    further = range(2, enrich + 1) if "enrich" in roles else ()
    return [Member(role) for role in roles] + [Member("enrich", number) for number in further]


def settings_of(members: Sequence[Member], settings: Settings) -> dict[Member, Settings]:
    """The settings of each worker, which differ by:

    - its number, by which its log lines name it;
    - its share of the cores for the model workers of ``enrich``, unless ``device_workers`` is set;
    - a metrics port of its own, where there are metrics: the first worker ``metrics_port``, the next one more, …
    """
    enrich = sum(member.role == "enrich" for member in members)
    by_member: dict[Member, Settings] = {}
    for place, member in enumerate(members):
        own: dict[str, int] = {"worker_number": member.number}
        if settings.metrics_port:
            own["metrics_port"] = settings.metrics_port + place
        if member.role == "enrich" and enrich > 1 and not settings.device_workers:
            own["device_workers"] = _share_of_cores(enrich, settings.threads or 1)
        by_member[member] = settings.model_copy(update=own)
    return by_member


def _share_of_cores(processes: int, threads: int) -> int:
    """Model workers of one process, so that those of all processes have a core per thread."""
    return max(1, len(os.sched_getaffinity(0)) // (processes * threads))


class Child:
    """One process, restarted when it dies."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: IO[bytes] | None) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._log = log
        self._pause_seconds = 1.0
        self._start_at = 0.0
        self._started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(
            bound(self._command),
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the parent only; it stops its children in order
        )

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def keep_running(self, say: Callable[[str], None]) -> None:
        """Restart it, after a pause that doubles, when it died. Raises ConfigurationError where that can't help."""
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            return
        self._process = None
        if code == EXIT_VIEW_SWITCHED:
            say(f"{self.name} ended to follow a rebuilt view; starting it again.")
            self.start()
            return
        if code == _EXIT_CONFIGURATION:
            raise ConfigurationError(f"{self.name} cannot run as it is configured; its own message says why.")
        if time.monotonic() - self._started_at > _STABLE_AFTER_SECONDS:
            self._pause_seconds = 1.0
        say(f"{self.name} ended with exit code {code}; starting it again in {self._pause_seconds:.0f} s.")
        self._start_at = time.monotonic() + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    def terminate(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def join(self, deadline: float) -> bool:
        """True: it ended by itself before ``deadline`` (monotonic seconds); otherwise it is killed."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True


class Processes:
    """All processes of the system on this machine. Use as a context manager."""

    def __init__(
        self,
        settings: Settings,
        *,
        say: Callable[[str], None],
        log_folder: Path | None = None,
        roles: Sequence[str] = tuple(ROLES),
        enrich: int = 1,
        with_api: bool = True,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        """``enrich``: how many processes of that role, if it is among ``roles``; they share its partitions.

        ``log_folder``: each process writes <name>.log there; None: all write to this terminal.
        ``program``: the command before ``worker ROLE`` and ``api``.
        Raises ConfigurationError when ``enrich`` is below 1.
        """
        self._say = say
        self._open_logs: list[IO[bytes]] = []
        self._log_folder = log_folder
        by_member = settings_of(members_of(roles, enrich), settings)
        self.metrics_ports = {member.name: own.metrics_port for member, own in by_member.items() if own.metrics_port}
        self._children = [
            Child(member.name, [*program, "worker", member.role], environment_of(own), self._log(member.name))
            for member, own in by_member.items()
        ]
        self.page = self.look_ups = ""
        if with_api:
            port = free_port(settings.api_port, "look-ups", say)
            page_host, page_port = settings.api_host, port
            if not settings.api_has_one_port:
                page_host, page_port = (
                    settings.api_internal_host,
                    free_port(settings.api_internal_port, "the page", say, {port}),
                )
            self.look_ups = f"http://{settings.api_host}:{port}/"
            self.page = f"http://{page_host}:{page_port}/"
            command = [*program, "api", "--port", str(port), "--page-port", str(page_port), "--quiet"]
            self._children.append(Child("api", command, environment_of(settings), self._log("api")))

    def _log(self, name: str) -> IO[bytes] | None:
        if self._log_folder is None:
            return None
        self._log_folder.mkdir(parents=True, exist_ok=True)
        log = (self._log_folder / f"{name}.log").open("ab")
        self._open_logs.append(log)
        return log

    def __enter__(self) -> Processes:
        for child in self._children:
            child.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def pids(self) -> dict[str, int | None]:
        """Process ids by name."""
        return {child.name: child.pid for child in self._children}

    def keep_running(self) -> None:
        """Start again what died; call it about twice a second."""
        for child in self._children:
            child.keep_running(self._say)

    def wait(self) -> None:
        """Keep everything running until SIGINT or SIGTERM."""
        with stopped_by_signal() as stopped:
            while not stopped.wait(0.5):
                self.keep_running()

    def stop(self) -> None:
        """SIGTERM to all, the time to finish, and SIGKILL to what is still there."""
        if any(child.pid for child in self._children):
            self._say(f"Stopping: each process finishes what is in progress, in {_GRACE_SECONDS:.0f} s at most …")
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        for child in self._children:
            if not child.join(deadline):
                self._say(f"{child.name} did not stop within {_GRACE_SECONDS:.0f} s and was killed.")
        for log in self._open_logs:
            log.close()


@contextlib.contextmanager
def stopped_by_signal() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets, instead of an exception in the middle of something."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
