"""The system under test: real brokers, real Redis or Valkey, worker processes that are started again when they end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from stream_app.commands.options import environment_of
from stream_app.embedded.free_port import free_port
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.embedded.server_process import die_with
from stream_app.kafka.admin import create_topics
from stream_app.kafka.topics import Topics
from stream_app.settings import Settings
from tests.reliability.proxy import Proxy
from tests.reliability.ruled_models import Troubles
from tests.reliability.stores import ClusterStore, PairStore, SingleStore, SmallDisk
from tests.reliability.workload import Sent

SESSION_SECONDS = 6.0
DEVICE_PATIENCE_SECONDS = 4.0
PARTITIONS = 6
_RESTART_PAUSE_SECONDS = 0.2
_SUPERVISE_EVERY_SECONDS = 0.05
_STOP_SECONDS = 25.0
CREW = {"enrich": 2, "summarize": 2, "notify": 1}


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

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")


class Bed:
    """Use as a context manager. ``brokers``: 1 or 3. The workers reach every server through a proxy of this process."""

    def __init__(self, folder: Path, store: SingleStore | PairStore | ClusterStore, *, brokers: int = 1) -> None:
        self.folder = folder
        self.store: Any = store
        self._exit = ExitStack()
        self.troubles = Troubles(folder / "troubles")
        self.kafka_proxies = [Proxy("127.0.0.1", 0) for _ in range(brokers)]
        self.kafka_disk = SmallDisk(folder / "kafka", 2**30)
        advertised = [proxy.port for proxy in self.kafka_proxies]
        self.kafka = EmbeddedKafka(folder / "kafka" / "data", nodes=brokers, port=0, advertised_ports=advertised)
        self.exits: list[Exit] = []
        self.workers: list[Worker] = []
        self._numbers = dict.fromkeys(CREW, 0)
        self._lock = threading.RLock()
        self._closing = threading.Event()

    def __enter__(self) -> Bed:
        try:
            self._start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._exit.close()

    def _start(self) -> None:
        self._exit.callback(self.kafka_disk.close)
        for proxy in self.kafka_proxies:  # first: their ports were only chosen until now
            self._exit.enter_context(proxy)
        self._exit.callback(self.kafka.stop)
        self.kafka.start()
        self.store.start()
        self._exit.callback(self.store.stop)
        for proxy, port in zip(self.kafka_proxies, self.kafka.proxied_ports, strict=True):
            proxy.redirect("127.0.0.1", port)
        self.settings = Settings(
            _env_file=None,
            brokers=self.kafka.address,
            redis=SecretStr(self.store.direct_url),
            redis_cluster=self.store.is_cluster,
            topic_prefix=f"c{random.SystemRandom().getrandbits(32):x}.",
            generation=1,
            replication=min(3, len(self.kafka_proxies)),
            partitions=PARTITIONS,
        )
        self.admin = AdminClient({"bootstrap.servers": self.kafka.address, "log_level": 0})
        self.topics = Topics(self.settings.topic_prefix)
        create_topics(self.settings)
        self._worker_settings = self.settings.model_copy(
            update={
                "brokers": ",".join(proxy.address for proxy in self.kafka_proxies),
                "redis": SecretStr(self.store.url),
                "state_folder": str(self.folder / "state"),
                "session_timeout_seconds": SESSION_SECONDS,
                "heartbeat_seconds": 1.0,
                "rebalance_timeout_seconds": 10.0,
                "redis_settle_seconds": 2.5,  # more than the second between two fsyncs, and than replication lags
                "redis_patience_seconds": 60.0,
                "publish_patience_seconds": 60.0,
                "device_patience_seconds": DEVICE_PATIENCE_SECONDS,
                "summary_min_words": 20,
                "summary_wait_ms": 300,
                "log_json": True,
            }
        )
        self.producer = Producer(
            {
                "bootstrap.servers": self.kafka.address,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "message.timeout.ms": 120_000,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        threading.Thread(target=self._acknowledge, name="acknowledgements", daemon=True).start()
        self._api_port = free_port(0, "the look-up API", print)
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._supervisor.start()
        self._exit.callback(self._end_supervisor)
        self._wait_for_workers()

    # ---- reviews in

    def send(self, sent: Sent) -> None:
        """Produce one message; the broker's answer is written into it. Waits while the producer's queue is full."""

        def acknowledged(error: object, message: object) -> None:
            if error is None:
                sent.partition, sent.offset = message.partition(), message.offset()  # type: ignore[attr-defined]
                sent.acked_at = time.time()

        while True:
            try:
                self.producer.produce(self.topics.reviews, key=sent.key, value=sent.value, on_delivery=acknowledged)
                break
            except BufferError:
                time.sleep(0.1)  # the acknowledging thread makes room

    def _acknowledge(self) -> None:
        """In a thread of its own, so that acknowledgements have the time at which they came."""
        while not self._closing.wait(0.005):
            self.producer.poll(0.05)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self._api_port}"

    # ---- workers

    def of(self, role: str) -> list[Worker]:
        """The running workers of a role."""
        with self._lock:
            return [worker for worker in self.workers if worker.role == role and worker.running]

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

    def is_ready(self, worker: Worker) -> bool:
        return worker.log.exists() and "role_became_ready" in worker.log_text()

    def _supervise(self) -> None:
        """In one thread, because the system ends the workers with the thread that started them."""
        with self._lock:
            for role, number in CREW.items():
                self.workers += [self._new_worker(role) for _ in range(number)]
            self._api = self._new_api()
        while not self._closing.wait(_SUPERVISE_EVERY_SECONDS):
            with self._lock:
                self._replace_ended()
        self._stop_workers()

    def _replace_ended(self) -> None:
        for worker in list(self.workers):
            code = worker.process.poll()
            if code is None:
                continue
            self.workers.remove(worker)
            self.exits.append(Exit(worker.role, code))
            if not worker.is_extra:
                time.sleep(_RESTART_PAUSE_SECONDS)
                self.workers.append(self._new_worker(worker.role))
        if self._api.poll() is not None:
            self.exits.append(Exit("api", self._api.returncode))
            self._api = self._new_api()

    def _new_worker(self, role: str) -> Worker:
        self._numbers[role] += 1
        name = f"{role}-{self._numbers[role]}"
        log = self.folder / "logs" / f"{name}.log"
        command = [sys.executable, "-m", "tests.reliability.worker", role, str(self.folder / "troubles")]
        return Worker(role, name, self._started(command, log), log)

    def _new_api(self) -> subprocess.Popen[bytes]:
        port = str(self._api_port)  # one for all: the checker reads alerts too
        command = [sys.executable, "-m", "stream_app", "api", "--port", port, "--page-port", port]
        return self._started(command, self.folder / "logs" / "api.log")

    def _started(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=environment_of(self._worker_settings),
                cwd=Path(__file__).parents[2],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with(os.getpid()),
                start_new_session=True,
            )

    def _wait_for_workers(self, seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        while True:
            with self._lock:
                crew = list(self.workers)
            if len(crew) == sum(CREW.values()) and all(map(self.is_ready, crew)):
                return
            if time.monotonic() > until:
                raise TimeoutError(f"the workers were not ready in {seconds:.0f} s; see {self.folder / 'logs'}")
            time.sleep(0.1)

    def _end_supervisor(self) -> None:
        self._closing.set()
        self._supervisor.join()

    def _stop_workers(self) -> None:
        processes = [worker.process for worker in self.workers] + [self._api]
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
