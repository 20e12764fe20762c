"""Copies records to the end of their partition, and recognises such copies by their headers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from confluent_kafka import KafkaError

from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import COPY_HEADERS, HEADER_COPY_OF, HEADER_LOG_BEGINS, Message, RawRecord
from stream_app.settings import KafkaSettings

_MAX_COPY_BYTES = 16 * 1024 * 1024  # the broker checks the topic's own limit after compression
REPORT_EVERY = 100  # records

OnRecord = Callable[[int], None]


class CopyProducer(BlockingProducer):
    """Publishes copies in order; each error states that nothing was deleted."""

    def __init__(self, settings: KafkaSettings, topic: str, on_copied: OnRecord) -> None:
        super().__init__(settings, **{"message.max.bytes": _MAX_COPY_BYTES})
        self._topic = topic
        self._on_copied = on_copied

    def put(self, record: RawRecord, *, begins_log_at: int | None) -> None:
        """Queue the copy of a record. ``begins_log_at``: the offset that it will have, as its partition's first."""
        first = begins_log_at is not None
        headers = (
            *_without_ours(record),
            (HEADER_COPY_OF, f"{record.partition}/{record.offset}".encode()),
            *([(HEADER_LOG_BEGINS, str(begins_log_at).encode())] if first else []),
        )
        self.publish(
            Message(self._topic, record.key, record.value, headers),
            self._report,
            partition=record.partition,
            # guarantee: copies-begin-a-segment
            timestamp_ms=0 if first else max(0, record.timestamp_ms),  # 0: now
        )

    def _report(self) -> None:
        if self.acknowledged % REPORT_EVERY == 0:
            self._on_copied(self.acknowledged)

    def _failure(self, error: KafkaError, topic: str) -> Exception:
        if error.code() == KafkaError._MSG_TIMED_OUT:
            return BrokerUnavailable(
                f"Kafka at {self._settings.brokers} does not acknowledge copies. Nothing was deleted. "
                "Run the command again when it does."
            )
        return ConfigurationError(
            f"Kafka refused a copy in {topic}: {error.str()}. Nothing was deleted. Where a record is too large, "
            "raise the topic's max.message.bytes."
        )


def is_copy(record: RawRecord) -> bool:
    """Is it the copy of an earlier record of its partition, which the group that reads the topic has read?"""
    return copied_offset(record) is not None


def is_left_over(record: RawRecord, begin: int) -> bool:
    """Is it the copy of a record that is still there? Then the run that made it ended before the deletion."""
    place = copied_offset(record)
    return place is not None and begin <= place < record.offset  # guarantee: left-over-copies-are-passed-over


def copied_offset(record: RawRecord) -> int | None:
    """Return the offset of the original in the same partition; None if the record is no copy.

    A copy ends with our headers. A dead letter of one has them among the original's, before those of the error.
    """
    for name, value in reversed(record.headers):
        if name not in COPY_HEADERS:  # guarantee: dead-letter-of-a-copy-is-no-copy
            return None
        if name == HEADER_COPY_OF:
            partition, _, offset = (value or b"").partition(b"/")
            if partition == str(record.partition).encode() and offset.isdigit():
                return int(offset)
    return None


def _without_ours(record: RawRecord) -> list[tuple[str, bytes]]:
    return [(name, value) for name, value in record.headers if name not in COPY_HEADERS]


def digest(record: RawRecord, place: int) -> bytes:
    """Hash what an original at offset ``place`` and its copy must have in common."""
    digest = hashlib.sha256(b"%d" % place)
    parts = [record.key, record.value]
    for name, value in _without_ours(record):
        parts += [name.encode(), value]
    for part in parts:
        digest.update(b"%d:" % (-1 if part is None else len(part)))
        digest.update(part or b"")
    return digest.digest()
