"""Reads topics without a consumer group."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from operator import methodcaller
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from stream_app.kafka.admin import ADMIN_SECONDS, unavailable
from stream_app.kafka.client_config import consumer_config
from stream_app.kafka.offsets import begin_offsets, end_offsets, offsets
from stream_app.records import RawRecord
from stream_app.settings import KafkaSettings

_headers_of = methodcaller("headers")
"""A call from C, where CPython checks for an exception. Its interpreter specialises a plain call after the eighth, and
such a call returns the result with the null pointer; the exception is raised somewhere later.
"""

_POLL_SECONDS = 0.5
HEADERS_UNREADABLE = "stream-app-headers-unreadable"
"""The only header of a record whose headers this reader cannot decode. The roles decode them, with escaped names."""


def read_to_end(settings: KafkaSettings, topic: str, since: Mapping[int, int] | None = None) -> Iterator[RawRecord]:
    """Yield every record from ``since`` (per partition; default: the beginning) to the present end of the topic.

    Raises BrokerUnavailable when the brokers send nothing for as long as Kafka may be away
    (``publish_patience_seconds``, at least ``ADMIN_SECONDS``).
    """
    begins = begin_offsets(settings, topic)
    ends = end_offsets(settings, topic)
    starts = {number: max(begin, (since or {}).get(number, 0)) for number, begin in begins.items()}
    left = {number for number, start in starts.items() if start < ends[number]}
    patience = max(ADMIN_SECONDS, settings.publish_patience_seconds)
    for record in _read(settings, topic, {number: starts[number] for number in left}, patience):
        if isinstance(record, int):  # the end of this partition
            left.discard(record)
        else:
            if record.offset < ends[record.partition]:
                yield record
            if record.offset + 1 >= ends[record.partition]:
                left.discard(record.partition)
        if not left:
            return


def read_from(settings: KafkaSettings, topic: str, *, from_end: bool) -> Iterator[RawRecord]:
    """Yield every record from the beginning, or every one that arrives from now on; never ends by itself."""
    spec = OffsetSpec.latest() if from_end else OffsetSpec.earliest()
    return (record for record in _read(settings, topic, offsets(settings, topic, spec)) if not isinstance(record, int))


def newest(settings: KafkaSettings, topic: str) -> RawRecord | None:
    """Return the record with the latest timestamp among the last ones of each partition.

    A partition may end in offsets without a record (transaction markers, what was aborted or compacted away): then
    a growing part of its end is read until it has one.
    """
    begins, ends = begin_offsets(settings, topic), end_offsets(settings, topic)
    without = {number for number, end in ends.items() if begins[number] < end}
    last: dict[int, RawRecord] = {}
    depth = 1
    while without:
        since = {number: ends[number] - depth if number in without else end for number, end in ends.items()}
        last |= {record.partition: record for record in read_to_end(settings, topic, since)}
        without = {number for number in without - last.keys() if since[number] > begins[number]}
        depth *= 8
    return max(last.values(), key=lambda record: record.timestamp_ms, default=None)


def _read(
    settings: KafkaSettings, topic: str, starts: Mapping[int, int], patience: float = math.inf
) -> Iterator[RawRecord | int]:
    """Yield records, and the number of a partition whenever its end is reached.

    Raises BrokerUnavailable after ``patience`` seconds of waiting without either.
    """
    if not starts:
        return
    consumer = Consumer(consumer_config(settings))
    silent = 0.0
    try:
        consumer.assign([TopicPartition(topic, number, offset) for number, offset in starts.items()])
        while silent <= patience:  # guarantee: reading-ends-without-an-answer
            asked = time.monotonic()
            # consume() waits until it has as many as it was asked for: ask for one, then for what is there
            messages = (*consumer.consume(1, timeout=_POLL_SECONDS), *consumer.consume(499, timeout=0))
            silent += min(time.monotonic() - asked, _POLL_SECONDS)  # a process that was suspended did not wait
            for message in messages:
                error = message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    silent = 0.0
                if error is None:
                    yield _record(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    yield message.partition()
                elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:
                    raise unavailable(settings, KafkaException(error))
        raise unavailable(settings, KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    finally:
        consumer.close()


def _record(message: Any) -> RawRecord:
    kind, timestamp = message.timestamp()
    return RawRecord(
        message.topic(),
        message.partition(),
        message.offset(),
        0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        message.key(),
        message.value(),
        _headers(message),
    )


def _headers(message: Any) -> tuple[tuple[str, bytes], ...]:
    """Return the record's headers; a single HEADERS_UNREADABLE if a name among them is not UTF-8.

    confluent-kafka returns none of them then. A second call would return them with a null pointer among the names,
    which ends the process with SIGSEGV.
    """
    try:
        return tuple(_headers_of(message) or ())
    # guarantee: readers-survive-header-names
    except (UnicodeDecodeError, SystemError):  # the latter as CPython's "returned a result with an exception set"
        return ((HEADERS_UNREADABLE, b"the name of a header is not UTF-8"),)
