"""Reviews to Kafka at set times, and when what a worker makes of them can be read: one clock, one process.

A review's time is the one it was due at, whenever the producer got round to it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from stream_app import contract
from stream_app.commands.review_files import Line
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.client_config import consumer_config
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.topics import Topics
from stream_app.records import Alert, EnrichedReview, RawRecord
from stream_app.settings import Settings

_READ_AT_ONCE = 500
_LOOK_SECONDS = 0.02


class Arrived(NamedTuple):
    """A record of a worker's, and when it could be read: seconds of ``time.monotonic``."""

    at: float
    topic: str
    value: bytes
    timestamp_ms: int


@dataclass
class Sent:
    """When each review was due and when it was handed to Kafka (seconds of ``time.monotonic``), in order."""

    due: list[float] = field(default_factory=list)
    handed_over: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Matched:
    """Reviews with what became of them, by review id. Seconds from the time that a review was due.

    ``raised``: until the worker had the alert (its own clock, milliseconds). ``unexpected``: records of reviews that
    were not sent.
    """

    alert: dict[str, float]
    raised: dict[str, float]
    enriched: dict[str, float]
    reviews: dict[str, EnrichedReview]
    unexpected: int


class Listener:
    """Reads alerts and enriched reviews as soon as they are there; looks into them later."""

    def __init__(self, settings: Settings) -> None:
        topics = Topics(settings.topic_prefix)
        self._enriched = topics.enriched
        self._alerts = topics.alerts
        self._starts = [
            TopicPartition(topic, number, offset)
            for topic in (topics.enriched, topics.alerts)
            for number, offset in end_offsets(settings, topic).items()
        ]
        self._consumer = Consumer({**consumer_config(settings), "enable.partition.eof": False})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, name="listener", daemon=True)
        self.arrived: list[Arrived] = []
        self.enriched = 0
        self.alerts = 0

    def __enter__(self) -> Listener:
        self._consumer.assign(self._starts)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._stopping.is_set():
            # consume() waits until it has as many as it was asked for: ask for one, then for what is there
            messages = self._consumer.consume(1, timeout=0.1)
            at = time.monotonic()
            if messages:
                messages += self._consumer.consume(_READ_AT_ONCE, timeout=0)
            for message in messages:
                if message.error() is None:
                    self.arrived.append(Arrived(at, message.topic(), message.value(), message.timestamp()[1]))
                    self.enriched += message.topic() == self._enriched
                    self.alerts += message.topic() == self._alerts


def send_at(lines: Sequence[Line], times: Sequence[float], producer: BlockingProducer, sent: Sent) -> None:
    """Hand each line to Kafka when it is due: ``times`` in seconds of ``time.monotonic``. Notes it in ``sent``."""
    for line, due in zip(lines, times, strict=True):
        while (pause := due - time.monotonic()) > 0:
            time.sleep(min(pause, _LOOK_SECONDS))  # until the review is due
            producer.poll()
        producer.send(line.key, line.value)
        sent.due.append(due)
        sent.handed_over.append(time.monotonic())


@contextmanager
def sending(
    lines: Sequence[Line], times: Sequence[float], settings: Settings
) -> Iterator[tuple[Sent, threading.Event]]:
    """``send_at`` in a thread during the block: (what was sent so far, is it all). Raises what the producer raised."""
    sent, done = Sent(), threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with BlockingProducer(settings) as producer:
                send_at(lines, times, producer, sent)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, name="producer", daemon=True)
    thread.start()
    yield sent, done
    thread.join()
    if errors:
        raise errors[0]


def match(due: Mapping[str, float], arrived: Sequence[Arrived], topics: Topics, wall_minus_monotonic: float) -> Matched:
    """What became of each review. ``due`` by review id; of what came twice (a redelivery) the first counts.

    ``wall_minus_monotonic``: what to add to ``time.monotonic`` to get seconds since 1970.
    """
    alert: dict[str, float] = {}
    raised: dict[str, float] = {}
    enriched: dict[str, float] = {}
    reviews: dict[str, EnrichedReview] = {}
    unexpected = 0
    for number, one in enumerate(arrived):
        record = RawRecord(one.topic, 0, number, one.timestamp_ms, None, one.value)
        found = contract.decode_alert(record) if one.topic == topics.alerts else contract.decode_enriched(record)
        review_id = str(getattr(found, "review_id", None))
        if review_id not in due:
            unexpected += 1
        elif isinstance(found, Alert):
            alert.setdefault(review_id, one.at - due[review_id])
            raised.setdefault(review_id, found.raised_at_ms / 1000 - wall_minus_monotonic - due[review_id])
        elif isinstance(found, EnrichedReview):
            enriched.setdefault(review_id, one.at - due[review_id])
            reviews.setdefault(review_id, found)
    return Matched(alert, raised, enriched, reviews, unexpected)
