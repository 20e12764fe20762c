"""Follows a topic in a thread of its own, from a bounded distance back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from stream_app import telemetry
from stream_app.kafka.client_config import consumer_config
from stream_app.kafka.offsets import begin_offsets, end_offsets, offsets
from stream_app.ports import ConfigurationError, Unavailable
from stream_app.records import RawRecord
from stream_app.settings import KafkaSettings

_POLL_SECONDS = 0.5  # a stop takes as long
_AT_ONCE = 500
_LOOK_SECONDS = 10.0
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
_CLIENT = {
    # the broker gathers: a request four times a second, whatever comes
    "fetch.wait.max.ms": 250,
    "fetch.min.bytes": 64 * 1024,
    "queued.max.messages.kbytes": 2048,
}


class TopicFollower:
    """Hands every record of a topic to ``take``, in a daemon thread of its own, which must not raise.

    It begins with the first record of ``since_ms`` or later, and ``max_records`` at most before the present end. A
    broker that is away, or refuses, is tried again without limit, and without a log line each; the records are then
    handed over from that beginning once more. Partitions that the topic gets later are followed from their beginning.
    Keys and headers are left out. No consumer group, nothing committed.
    """

    def __init__(
        self, settings: KafkaSettings, topic: str, take: Callable[[RawRecord], None], *, since_ms: int, max_records: int
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._take = take
        self._since_ms = since_ms
        self._max_records = max_records
        self._stopping = threading.Event()
        self._caught_up = threading.Event()
        self._look = threading.Event()  # for partitions that it does not follow yet
        self._reached: dict[int, int] = {}  # per partition, the offset behind what was handed over
        self._refused = ""
        self._thread = threading.Thread(target=self._run, name=f"follows {topic}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    async def caught_up(self, patience_seconds: float) -> bool:
        """Wait until all that was there at the start was handed over. False: Kafka refused, or patience was spent."""
        deadline = time.monotonic() + patience_seconds
        while not self._caught_up.is_set() and not self._refused and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if self._caught_up.is_set():
            return True
        why = self._refused or f"its end was not reached in {patience_seconds:.0f} s"
        telemetry.topic_was_not_read(self._topic, why)
        return False

    async def reach_end(self, patience_seconds: float) -> bool:
        """Wait until all that was published before this call was handed over.

        False: Kafka refused, or did not answer, or patience was spent; what was handed over stays known.
        """
        deadline = time.monotonic() + patience_seconds
        try:
            ends = await asyncio.wait_for(
                asyncio.to_thread(end_offsets, self._settings, self._topic), max(0.0, patience_seconds)
            )
        except (Unavailable, ConfigurationError, TimeoutError) as error:
            telemetry.topic_was_not_read(self._topic, str(error) or "Kafka did not name its end in time")
            return False
        while not all(self._reached.get(number, 0) >= end for number, end in ends.items()):
            if self._refused or time.monotonic() >= deadline:
                why = self._refused or f"its end was not reached in {patience_seconds:.0f} s"
                telemetry.topic_was_not_read(self._topic, why)
                return False
            if not ends.keys() <= self._reached.keys():
                self._look.set()
            await asyncio.sleep(0.02)
        return True

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(3 * _POLL_SECONDS)

    def _run(self) -> None:
        pause = _SHORTEST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._follow()
            except (KafkaException, Unavailable):
                pass
            except ConfigurationError as error:
                self._refused = str(error)
            if time.monotonic() - began > _LONGEST_PAUSE_SECONDS:
                pause = _SHORTEST_PAUSE_SECONDS
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _follow(self) -> None:
        """Returns when stopped. Raises KafkaException, Unavailable or ConfigurationError."""
        starts, ends = self._bounds()
        self._reached = dict(starts)
        behind = {number for number, start in starts.items() if start < ends[number]}
        consumer = Consumer({**consumer_config(self._settings), **_CLIENT})
        try:
            self._assign(consumer)
            looked_at = time.monotonic()
            while not self._stopping.is_set():
                if self._look.is_set() or time.monotonic() > looked_at + _LOOK_SECONDS:
                    looked_at = time.monotonic()
                    self._take_up_new_partitions(consumer)  # guarantee: new-partitions-are-followed
                if not behind:
                    self._caught_up.set()
                # consume() waits until it has as many as it was asked for: ask for one, then for what is there
                for message in (*consumer.consume(1, _POLL_SECONDS), *consumer.consume(_AT_ONCE - 1, 0)):
                    error = message.error()
                    if error is None:
                        self._take(
                            RawRecord(self._topic, message.partition(), message.offset(), 0, None, message.value())
                        )
                        self._reached[message.partition()] = message.offset() + 1
                    elif error.code() == KafkaError._PARTITION_EOF:
                        behind.discard(message.partition())
                        self._reached[message.partition()] = message.offset()  # behind markers and aborted records too
                    elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:
                        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                            self._refused = error.str()
                        raise KafkaException(error)
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> None:
        """Every partition that is followed, from where it was handed over to."""
        consumer.assign([TopicPartition(self._topic, number, offset) for number, offset in self._reached.items()])

    def _take_up_new_partitions(self, consumer: Consumer) -> None:
        """Those that the topic has by now. A broker that does not answer is asked again."""
        self._look.clear()
        try:
            metadata = consumer.list_topics(self._topic, timeout=_POLL_SECONDS).topics[self._topic]
        except KafkaException:
            self._look.set()
            return
        new = metadata.partitions.keys() - self._reached.keys()
        if new and metadata.error is None:
            self._reached |= dict.fromkeys(new, 0)
            self._assign(consumer)

    def _bounds(self) -> tuple[Mapping[int, int], Mapping[int, int]]:
        """Per partition, where to begin and the present end."""
        begins, ends = begin_offsets(self._settings, self._topic), end_offsets(self._settings, self._topic)
        since = offsets(self._settings, self._topic, OffsetSpec.for_timestamp(max(0, self._since_ms)))
        starts = {
            number: max(begins.get(number, 0), since[number]) if since.get(number, -1) >= 0 else end
            for number, end in ends.items()
        }
        return bounded(starts, ends, self._max_records), ends


def bounded(starts: Mapping[int, int], ends: Mapping[int, int], max_records: int) -> dict[int, int]:
    """``starts``, moved on so that at most ``max_records`` lie before ``ends``: the same number in each partition that
    has as many.
    """
    each, left = max_records, max_records
    counts = sorted(max(0, ends[number] - start) for number, start in starts.items())
    for taken, count in enumerate(counts):
        each = left // (len(counts) - taken)
        if count > each:
            break
        left -= count
    else:
        each = max_records
    return {number: max(start, ends[number] - each) for number, start in starts.items()}
