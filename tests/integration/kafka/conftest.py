"""Echo workers as processes, and topics of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pydantic import SecretStr

from stream_app.kafka.client_config import client_config, producer_config
from stream_app.kafka.groups import committed_offsets
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.records import RawRecord
from stream_app.settings import Settings
from tests.waiting import wait_until

WORKER = Path(__file__).parent / "echo_worker.py"


class Worker:
    """One echo worker's process."""

    def __init__(self, process: subprocess.Popen[bytes], events: Path, log: Path) -> None:
        self.process = process
        self._events = events
        self._log = log

    def events(self, what: str) -> list[dict[str, Any]]:
        lines = self._events.read_text().splitlines() if self._events.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == what]

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, f"the worker ended: {self.log()[-3000:]}"
        return "role_became_ready" in self.log()

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout)


class Stage:
    """An input and an output topic on the run's broker, and the workers between them."""

    def __init__(self, brokers: str, prefix: str, folder: Path) -> None:
        self.settings = Settings(
            _env_file=None,
            brokers=brokers,
            topic_prefix=prefix,
            session_timeout_seconds=6.0,
            heartbeat_seconds=0.5,
            rebalance_timeout_seconds=10.0,
        )
        self.topic = f"{prefix}reviews"
        self.output = f"{prefix}reviews.enriched"
        self.early_output = f"{prefix}reviews.alerts"
        self._folder = folder
        self._workers: list[Worker] = []
        self._admin = AdminClient(client_config(self.settings))

    def create(self, partitions: int) -> None:
        configs = Topics(self.settings.topic_prefix).configs()
        new = [NewTopic(name, partitions, 1, config=config) for name, config in configs.items()]
        for made in self._admin.create_topics(new).values():
            made.result(30)

    def produce(self, values: range, partition: int | None = None) -> None:
        """One record per value, keyed by it; into one partition where given. Returns when all are acknowledged."""
        producer = Producer(producer_config(self.settings))
        for value in values:
            where = {} if partition is None else {"partition": partition}
            producer.produce(self.topic, key=str(value), value=str(value), **where)
        assert producer.flush(30) == 0

    def start(self, **options: Any) -> Worker:
        """Start a worker and wait until it is ready. ``options``: see echo_worker.Echo; ``settings`` are added."""
        worker = self.start_only(**options)
        wait_until(worker.is_ready, 60, "the worker is ready")
        return worker

    def start_only(self, **options: Any) -> Worker:
        number = len(self._workers)
        dumped = self.settings.model_dump(include=self.settings.model_fields_set) | options.pop("settings", {})
        # secrets reach the worker by the environment, as they reached us
        chosen = {name: value for name, value in dumped.items() if not isinstance(value, SecretStr)}
        options = {
            "settings": chosen,
            "topic": self.topic,
            "output": self.output,
            "name": f"worker{number}",
            "events": str(self._folder / f"events{number}"),
            **options,
        }
        log = self._folder / f"log{number}"
        with log.open("wb") as file:
            process = subprocess.Popen([sys.executable, str(WORKER), json.dumps(options)], stdout=file, stderr=file)
        worker = Worker(process, Path(options["events"]), log)
        self._workers.append(worker)
        return worker

    def published(self) -> list[RawRecord]:
        return list(read_to_end(self.settings, self.output))

    def committed(self) -> dict[int, int]:
        return committed_offsets(self.settings, "enrich")

    def outputs(self) -> int:
        return sum(end_offsets(self.settings, self.output).values())

    def early(self) -> list[RawRecord]:
        return list(read_to_end(self.settings, self.early_output))

    def moves_within(self, seconds: float) -> bool:
        """Does an output come in this time?"""
        before, deadline = self.outputs(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.outputs() > before:
                return True
        return False

    def members(self) -> list[str]:
        """Ids of the group's members: a member that left and came back has another one."""
        group = self.settings.group("enrich")
        [described] = self._admin.describe_consumer_groups([group]).values()
        return sorted(member.member_id for member in described.result(10).members)

    def close(self) -> None:
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()


@pytest.fixture
def stage(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[Callable[[int], Stage]]:
    """Make a Stage whose topics have the given number of partitions."""
    made: list[Stage] = []

    def make(partitions: int) -> Stage:
        made.append(Stage(kafka, topic_prefix, tmp_path))
        made[-1].create(partitions)
        return made[-1]

    yield make
    for one in made:
        one.close()
