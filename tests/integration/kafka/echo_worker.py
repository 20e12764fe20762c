"""A role for the tests of the Faust adapter, run as a process: publishes each record's value to an output topic.

python echo_worker.py '{"settings": {…}, "topic": …, "output": …, …}': see ``Echo`` for the other keys. It writes
what happens to it to the file ``events``, one JSON object a line. With "service": true it runs as a service instead:
it publishes one message and waits to be stopped, or fails where "fail_at" is given.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

from stream_app import telemetry
from stream_app.exit_now import Stop
from stream_app.kafka import faust_app, log_watch
from stream_app.kafka.run import run_role, run_service
from stream_app.ports import Acks, InFlightRecord, Publisher
from stream_app.records import Message, Partition
from stream_app.settings import Settings


class Echo:
    """Each record becomes one output message; its header ``from`` says partition, offset, epoch and process.

    ``work_seconds``: until a record is finished, at random between ``least_seconds`` (0) and this, so out of order.
    ``never_finish``: offsets that stay unfinished. ``fail_at``: raises when this offset is taken.
    ``fail_in_callback_at``: raises in a callback of the loop when this offset is taken.
    ``room``: records at work from which there is no room for more.
    ``clock_ahead_seconds``: how wrong the machine's clock is.
    ``metadata_age_seconds``: when the client asks again which partitions there are (300).
    ``stop_code``: how it ends when it is stopped (0).
    ``first_connections``: what becomes of the first ones, one after the other: "refused" or "silent".
    ``no_room_file``: while this file exists there is no room. ``early_output``: each value also goes out early, there.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._output: str = options["output"]
        self._name: str = options.get("name", "echo")
        self._work_seconds: float = options.get("work_seconds", 0.0)
        self._least_seconds: float = options.get("least_seconds", 0.0)
        self._start_seconds: float = options.get("start_seconds", 0.0)
        self._room: int = options.get("room", 5000)
        self._never_finish = set(options.get("never_finish", []))
        self._fail_at = options.get("fail_at")
        self._fail_in_callback_at = options.get("fail_in_callback_at")
        self._no_room_file = Path(options["no_room_file"]) if "no_room_file" in options else None
        self._early: str | None = options.get("early_output")
        self._events = Path(options["events"])
        self._open: Counter[Partition] = Counter()
        self._waiting: dict[InFlightRecord, asyncio.TimerHandle] = {}
        self._random = random.Random(options.get("seed", 1))

    async def start(self, acks: Acks) -> None:
        self._acks = acks
        self._tell("started")
        await asyncio.sleep(self._start_seconds)

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        self._tell("took", partitions=Counter(in_flight.partition.number for in_flight in in_flight_records))
        loop = asyncio.get_running_loop()
        for in_flight in in_flight_records:
            offset = in_flight.record.offset
            if offset == self._fail_at:
                raise RuntimeError(f"asked to fail at {offset}")
            if offset == self._fail_in_callback_at:
                loop.call_soon(self._fail)
            if self._early:
                self._acks.publish_early(
                    in_flight, [Message(self._early, in_flight.record.key, in_flight.record.value)]
                )
            if offset in self._never_finish:
                continue
            self._open[in_flight.partition] += 1
            if self._work_seconds:
                after = self._random.uniform(self._least_seconds, self._work_seconds)
                self._waiting[in_flight] = loop.call_later(after, self._finish, in_flight)
            else:
                self._finish(in_flight)

    def has_room(self) -> bool:
        full = self._no_room_file is not None and self._no_room_file.exists()
        return not full and sum(self._open.values()) < self._room

    def fetch_wait_ms(self) -> int:
        return 0

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        self._tell("drop_waiting", partitions=sorted(partition.number for partition in partitions))

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        while any(self._open[partition] for partition in partitions):
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self._tell("stopped")

    def _fail(self) -> None:
        raise RuntimeError("asked to fail in a callback")

    def _finish(self, in_flight: InFlightRecord) -> None:
        self._waiting.pop(in_flight, None)
        self._open[in_flight.partition] -= 1
        record = in_flight.record
        origin = f"{record.partition} {record.offset} {in_flight.epoch} {self._name}"
        self._acks.finish(in_flight, [Message(self._output, record.key, record.value, (("from", origin.encode()),))])

    def _tell(self, what: str, **facts: Any) -> None:
        with self._events.open("a") as file:
            file.write(json.dumps({"event": what, "name": self._name, **facts}) + "\n")


async def serve(options: dict[str, Any], publisher: Publisher, stopping: asyncio.Event) -> None:
    publisher.publish([Message(options["output"], b"key", b"1")], lambda: None)
    if options.get("fail_at") is not None:
        raise RuntimeError("asked to fail")
    telemetry.role_became_ready("describe")
    if seconds := options.get("thread_seconds"):
        await asyncio.to_thread(time.sleep, seconds)
    await (asyncio.Event() if options.get("never_finish") else stopping).wait()


def disturb_first_connections(fates: list[str]) -> None:
    connect = AIOKafkaClient.bootstrap

    async def bootstrap(client: AIOKafkaClient) -> None:
        fate = fates.pop(0) if fates else ""
        if fate == "refused":
            raise KafkaConnectionError("refused")
        if fate == "silent":
            telemetry.dependency_unavailable("kafka", "silent", 0.0)
            await asyncio.sleep(600)
        await connect(client)

    AIOKafkaClient.bootstrap = bootstrap


def main() -> None:
    options = json.loads(sys.argv[1])
    settings = Settings(_env_file=None, **options["settings"])
    telemetry.configure(settings.log_level, as_json=True)
    Stop.exit_code = options.get("stop_code", 0)
    if options.get("service"):
        run_service(settings, "describe", lambda publisher, stopping: serve(options, publisher, stopping))
        return
    if age_seconds := options.get("metadata_age_seconds"):
        usual = faust_app._options
        faust_app._options = lambda settings: {
            **usual(settings),
            "consumer_metadata_max_age_ms": int(1000 * age_seconds),
        }
    disturb_first_connections(options.get("first_connections", []))
    log_watch.LOOK_EVERY_SECONDS = options.get("look_every_seconds", log_watch.LOOK_EVERY_SECONDS)
    ahead_ms = int(1000 * options.get("clock_ahead_seconds", 0.0))
    run_role(
        settings,
        "enrich",
        options["topic"],
        lambda publisher, fatal: Echo(options),
        now_ms=lambda: time.time_ns() // 1_000_000 + ahead_ms,
    )


if __name__ == "__main__":
    main()
