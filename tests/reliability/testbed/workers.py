"""The processes of one installation: one or more per role, started again when they end, like `systemd` would."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stream_app.commands.options import environment_of
from stream_app.embedded.bound_process import bound
from stream_app.settings import Settings
from tests.waiting import wait_until

_ROOT = Path(__file__).parents[3]
_RESTART_PAUSE_SECONDS = 0.2
_SUPERVISE_EVERY_SECONDS = 0.05
_STOP_SECONDS = 25.0
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Exit:
    """A worker that ended by itself, or by a signal (then ``code`` is minus its number)."""

    role: str
    code: int


@dataclass(eq=False, slots=True)
class Worker:
    """One process; another one takes its place when it ends, unless it was only there for a while."""

    role: str
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    is_extra: bool = False
    started_at: float = field(default_factory=time.monotonic)
    has_started: bool = False

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@dataclass(eq=False)
class Workers:
    """Start with ``start``, end with ``stop``. ``sizes``: how many processes of each role, `api` among them.

    ``settings`` are those of the processes, ``troubles`` the folder by which their models learn what goes wrong.
    With ``fresh_disks`` each start has a state folder that no other process had, like a container.
    """

    folder: Path
    settings: Settings
    troubles: Path
    sizes: Mapping[str, int]
    fresh_disks: bool = False
    exits: list[Exit] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._started: Counter[str] = Counter()
        self._held: set[str] = set()
        self._starts: list[tuple[float, float]] = []  # when, and the seconds that it took
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    @property
    def api(self) -> str:
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    def start(self) -> None:
        """Returns when all are ready."""
        self._supervisor.start()
        wait_until(self.is_complete, _READY_SECONDS, f"not all workers were ready; see {self.folder}")

    def longest_start(self, since: float = 0.0) -> float:
        """Seconds that the slowest one took until it logged something, of those that started since; 0.0: none did.

        Not until it was ready: it may wait for a server, or for a rebuild.
        """
        with self._lock:
            return max((seconds for started_at, seconds in self._starts if started_at >= since), default=0.0)

    def stop(self) -> None:
        """Ends all processes; does nothing where none was started."""
        self._closing.set()
        if self._supervisor.is_alive():
            self._supervisor.join()

    def of(self, role: str) -> list[Worker]:
        """The running workers of a role."""
        with self._lock:
            return [worker for worker in self.workers if worker.role == role and worker.running]

    def is_ready(self, worker: Worker) -> bool:
        if worker.role == "api":
            return worker.running and self._api_answers()
        return "role_became_ready" in worker.log_text()

    def is_complete(self, role: str | None = None) -> bool:
        """Are as many there as there should be, and all of them ready?"""
        with self._lock:
            roles = [role] if role else [role for role in self.sizes if role not in self._held]
            workers = [worker for one in roles for worker in self.of(one)]
            return len(workers) >= sum(self.sizes[one] for one in roles) and all(map(self.is_ready, workers))

    @contextmanager
    def another(self, role: str) -> Iterator[Worker]:
        """One more worker of a role, for a while; it leaves by SIGTERM."""
        with self._lock:
            worker = self._new_worker(role)
            worker.is_extra = True  # should it die of another fault, a successor would stay for good
            self.workers.append(worker)
        try:
            yield worker
        finally:
            worker.signal(signal.SIGTERM)
            worker.process.wait(_STOP_SECONDS)

    @contextmanager
    def one_start(self, role: str) -> Iterator[Worker]:
        """One process of a role that is not started again, whatever becomes of it."""
        with self._lock:
            worker = self._new_worker(role)
        try:
            yield worker
        finally:
            worker.process.kill()
            worker.process.wait()

    @contextmanager
    def held(self, role: str) -> Iterator[None]:
        """No worker of a role runs within the block: they leave by SIGTERM, and come back after it."""
        with self._lock:
            self._held.add(role)
            leaving = self.of(role)
        try:
            for worker in leaving:
                worker.signal(signal.SIGTERM)
            wait_until(lambda: not self.of(role), _STOP_SECONDS, f"the workers of {role} did not end")
            yield
        finally:
            with self._lock:
                self._held.discard(role)

    def run(self, *arguments: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`stream-app` with these arguments and the settings of the processes; its output is kept."""
        return subprocess.run(
            [sys.executable, "-m", "stream_app", *arguments],
            env=environment_of(self.settings),
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def _api_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _supervise(self) -> None:
        """In one thread, because the system ends the workers with the thread that started them."""
        while not self._closing.is_set():
            with self._lock:
                self._note_starts()
                self._replace_ended()
            self._closing.wait(_SUPERVISE_EVERY_SECONDS)
        self._stop_workers()

    def _note_starts(self) -> None:
        for worker in self.workers:
            if not worker.has_started and worker.role != "api" and worker.log.stat().st_size:  # that one logs nothing
                worker.has_started = True
                self._starts.append((worker.started_at, time.monotonic() - worker.started_at))

    def _replace_ended(self) -> None:
        for worker in list(self.workers):
            code = worker.process.poll()
            if code is not None:
                self.workers.remove(worker)
                self.exits.append(Exit(worker.role, code))
                if not worker.is_extra:
                    time.sleep(_RESTART_PAUSE_SECONDS)
        for role, size in self.sizes.items():
            if role not in self._held:
                there = sum(worker.role == role and not worker.is_extra for worker in self.workers)
                self.workers += [self._new_worker(role) for _ in range(size - there)]

    def _new_worker(self, role: str) -> Worker:
        self._started[role] += 1
        name = f"{role}-{self._started[role]}"
        environment = environment_of(self.settings)
        if self.fresh_disks:
            environment["STREAM_APP_STATE_FOLDER"] = str(self.folder / "disks" / name)
        log = self.folder / "logs" / f"{name}.log"
        command = [sys.executable, "-m", "tests.reliability.testbed.worker", role, str(self.troubles)]
        return Worker(role, name, _started(command, environment, log), log)

    def _stop_workers(self) -> None:
        processes = [worker.process for worker in self.workers]
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        until = time.monotonic() + _STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _started(command: Sequence[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            bound(command),
            env=environment,
            cwd=_ROOT,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
