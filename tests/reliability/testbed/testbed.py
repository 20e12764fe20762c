"""The system under test: real brokers, real Redis or Valkey, and the processes of an installation on them."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from stream_app.embedded.free_port import free_port
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings
from tests.reliability.testbed.messages import REVIEWS, Sent
from tests.reliability.testbed.proxy import Proxy
from tests.reliability.testbed.receivers import Receivers
from tests.reliability.testbed.scripted_models import Troubles
from tests.reliability.testbed.shop import Shop
from tests.reliability.testbed.stores import ClusterStore, PairStore, SentinelStore, SingleStore, SmallDisk
from tests.reliability.testbed.workers import Exit, Worker, Workers

SESSION_SECONDS = 6.0
DEVICE_PATIENCE_SECONDS = 7.0
UNRELEASED_BYTES = 8 * 2**20
IDLE_SECONDS = 5.0
"""How long a connection to the API may be idle."""
PARTITIONS = 6
WORKERS = {"enrich": 2, "summarize": 2, "notify": 1, "describe": 1, "api": 1}


class Testbed:
    """Use as a context manager. ``brokers``: 1 or 3. The workers reach every server through a proxy of this process."""

    def __init__(
        self, folder: Path, store: SingleStore | PairStore | SentinelStore | ClusterStore, *, brokers: int = 1
    ) -> None:
        self.folder = folder
        self.store: Any = store
        self._exit = ExitStack()
        self.troubles = Troubles(folder / "troubles")
        self.kafka_proxies = [Proxy("127.0.0.1", 0) for _ in range(brokers)]
        self.kafka_disk = SmallDisk(folder / "kafka", 2**30)
        advertised = [proxy.port for proxy in self.kafka_proxies]
        self.kafka = EmbeddedKafka(folder / "kafka" / "data", nodes=brokers, port=0, advertised_ports=advertised)
        self.receivers = Receivers(folder)
        self._lock = threading.Lock()
        self._sent: list[Sent] = []
        self._found_wrong: list[str] = []

    def __enter__(self) -> Testbed:
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
        self._exit.enter_context(self.receivers)
        for proxy in self.kafka_proxies:  # first: their ports were only chosen until now
            self._exit.enter_context(proxy)
        self._exit.callback(self.kafka.stop)
        self.kafka.start()
        self.store.start()
        self._exit.callback(self.store.stop)
        for proxy, port in zip(self.kafka_proxies, self.kafka.proxied_ports, strict=True):
            proxy.redirect("127.0.0.1", port)
        self.settings = self.settings_of(f"c{random.SystemRandom().getrandbits(32):x}.")
        self.admin = AdminClient({"bootstrap.servers": self.kafka.address, "log_level": 0})
        create_topics(self.settings)
        self.shop = Shop(self.kafka.address, self.settings.topic_prefix)
        self._exit.callback(self.shop.close)
        self.workers = Workers(self.folder, self.of_workers(self.settings), self.troubles.folder, WORKERS)
        self._exit.callback(self.workers.stop)
        self.workers.start()

    def settings_of(self, topic_prefix: str, **more: Any) -> Settings:
        """Of an installation on these servers, past every proxy."""
        return Settings(
            _env_file=None,
            brokers=self.kafka.address,
            redis=SecretStr(self.store.direct_url),
            redis_cluster=self.store.is_cluster,
            topic_prefix=topic_prefix,
            replication=min(3, len(self.kafka_proxies)),
            partitions=PARTITIONS,
            **more,
        )

    def of_workers(self, settings: Settings) -> Settings:
        """The same for its processes: through the proxies, with short waits, a port and a folder of their own."""
        return settings.model_copy(
            update={
                "brokers": ",".join(proxy.address for proxy in self.kafka_proxies),
                "redis": SecretStr(self.store.url),
                **self.store.settings_of_workers,
                "state_folder": str(self.folder / "state" / settings.group("enrich")),
                "session_timeout_seconds": SESSION_SECONDS,
                "heartbeat_seconds": 1.0,
                "rebalance_timeout_seconds": 10.0,
                "redis_settle_seconds": 2.5,  # more than the second between two fsyncs, and than replication lags
                "redis_patience_seconds": 60.0,
                "publish_patience_seconds": 60.0,
                "unreleased_bytes": UNRELEASED_BYTES,
                "device_patience_seconds": DEVICE_PATIENCE_SECONDS,
                "rebuild_grace_seconds": 5.0,
                "summary_min_words": 20,
                "summary_wait_ms": 300,
                "text_min_interval_seconds": 1.0,
                "summary_interval_seconds": 5.0,
                "text_lease_seconds": 3.0,
                "api_port": (port := free_port(0, "the look-up API", print)),
                "api_internal_port": port,  # one for all
                "receivers_file": str(self.receivers.file),
                "api_idle_seconds": IDLE_SECONDS,
                "log_json": True,
            }
        )

    # ---- reviews in

    def send(self, sent: Sent) -> None:
        """Produce a message of the round; what a fault sends is checked with the workload (see ``taken_sent``)."""
        with self._lock:
            self._sent.append(sent)
        self.shop.send(sent)

    def keep(self, sent: Sent) -> None:
        """Check it with the workload, whoever produced it."""
        with self._lock:
            self._sent.append(sent)

    def sent_so_far(self) -> list[Sent]:
        """In this round."""
        with self._lock:
            return list(self._sent)

    def taken_sent(self) -> list[Sent]:
        """Everything that was sent since this was asked last."""
        with self._lock:
            taken, self._sent = self._sent, []
            return taken

    def committed(self, role: str = "enrich", topic: str = REVIEWS) -> dict[int, int]:
        """What a role's group has committed, per partition; 0 where nothing."""
        group = self.settings.group(role)
        consumer = Consumer({"bootstrap.servers": self.kafka.address, "group.id": group, "log_level": 0})
        try:
            places = [TopicPartition(self.settings.topic_prefix + topic, number) for number in range(PARTITIONS)]
            return {place.partition: max(0, place.offset) for place in consumer.committed(places, timeout=10)}
        finally:
            consumer.close()

    def ends(self, topic: str = REVIEWS) -> dict[int, int]:
        """The offset that each partition's next record will have."""
        consumer = Consumer({"bootstrap.servers": self.kafka.address, "group.id": "ends", "log_level": 0})
        try:
            name = self.settings.topic_prefix + topic
            return {
                number: consumer.get_watermark_offsets(TopicPartition(name, number), timeout=10)[1]
                for number in range(PARTITIONS)
            }
        finally:
            consumer.close()

    # ---- what a fault finds wrong by itself

    def found_wrong(self, what: str) -> None:
        with self._lock:
            self._found_wrong.append(what)

    def taken_wrong(self) -> list[str]:
        """Everything that was found since this was asked last."""
        with self._lock:
            taken, self._found_wrong = self._found_wrong, []
            return taken

    # ---- workers

    @property
    def api(self) -> str:
        return self.workers.api

    exits_before = 0
    """How many processes had ended when the round began: a review may kill one before its fault looks."""

    @property
    def exits(self) -> list[Exit]:
        return self.workers.exits

    def of(self, role: str) -> list[Worker]:
        """The running workers of a role."""
        return self.workers.of(role)

    def another(self, role: str) -> AbstractContextManager[Worker]:
        """One more worker of a role, for a while."""
        return self.workers.another(role)

    def is_ready(self, worker: Worker) -> bool:
        return self.workers.is_ready(worker)

    def on_device(self, worker: Worker) -> int:
        """How many reviews a worker has on its held device (see scripted_models.HELD)."""
        return int(self.troubles.value(f"held-{worker.process.pid}", "0"))

    @contextmanager
    def trouble(self, name: str, value: str = "") -> Iterator[None]:
        """The models, or the clock, have this trouble within the block."""
        self.troubles.begin(name, value)
        try:
            yield
        finally:
            self.troubles.end(name)
