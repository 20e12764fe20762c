"""Records of Kafka as they are read and published: bytes, places and sizes."""

from __future__ import annotations

from typing import NamedTuple

EARLIEST_MS = 946_684_800_000
"""2000-01-01T00:00:00Z. No review is older: an earlier time comes of a clock that was never set."""

MAX_AHEAD_MS = 24 * 3_600_000
"""A record's timestamp that is further ahead of the reader's clock than a day is not used."""

HEADER_COPY_OF = "stream-app-copy-of"
"""Header of a copy that `erase` made: partition/offset of its original."""

HEADER_LOG_BEGINS = "stream-app-log-begins"
"""Header of a partition's first copy: its own offset. What was before it was copied or erased, not lost."""

COPY_HEADERS = (HEADER_COPY_OF, HEADER_LOG_BEGINS)
"""What a copy has beyond the headers of its original."""


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


class Position(NamedTuple):
    """Where an enriched review came from: the input record."""

    topic: str
    partition: int
    offset: int


class EscapedName(str):
    """A header's name that is not UTF-8, with such bytes as ``\\xff``. ``sent``: its bytes as they were sent."""

    __slots__ = ("sent",)
    sent: bytes

    def __new__(cls, sent: bytes) -> EscapedName:
        name = super().__new__(cls, sent.decode("utf-8", "backslashreplace"))
        name.sent = sent
        return name


class RawRecord(NamedTuple):
    """A record as the broker gave it: bytes untouched. A header's name that is not UTF-8 is an EscapedName."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    def plausible_timestamp_ms(self, now_ms: int) -> int | None:
        """The record's timestamp where it can be true: since EARLIEST_MS, at most MAX_AHEAD_MS after ``now_ms``.

        None otherwise: a producer may send any 64-bit number, and -1 stands for none.
        """
        # guarantee: wild-clock-rejects-nothing-less
        return self.timestamp_ms if EARLIEST_MS <= self.timestamp_ms <= now_ms + MAX_AHEAD_MS else None


class UnopenedBatch(RawRecord):
    """Stands for all records of a batch that would take too much memory; ``offset`` is that of the last one. It has
    neither key nor value.
    """

    __slots__ = ()


class UnreadBatch(RawRecord):
    """Stands for all records of a batch, or its last ones, that are not what the batch's header says, or no records;
    ``offset`` is that of the last one. It has neither key nor value.
    """

    __slots__ = ()


class Message(NamedTuple):
    """A record to be published. A None value is a tombstone (compacted topics)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


_HEADER_BYTES = 10  # of the lengths of a header's name and value, as librdkafka counts them
_RECORD_BYTES = 36  # of a record's own fields, at most


def size_of(message: Message | RawRecord) -> int:
    """Bytes of a record as librdkafka counts them against ``message.max.bytes``: key, value, headers, and what Kafka
    writes around each. Never less than what the record takes in an uncompressed batch.
    """
    size = _RECORD_BYTES + len(message.key or b"") + len(message.value or b"")
    for name, value in message.headers:  # a loop: three times as fast as a sum, and every message passes here
        # a shop may send null headers
        # guarantee: sizes-as-librdkafka-counts
        size += (len(name) if name.isascii() else len(name.encode())) + len(value or b"") + _HEADER_BYTES
    return size
