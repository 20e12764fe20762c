"""Parses records whatever the names of their headers are, and whatever their batches hold.

aiokafka decodes these names as UTF-8 and raises where they are not: the same record, fetched again, would end every
worker. Records are read with its fast parser, and a fetched answer in which that fails with the one here, in
which such names become EscapedName. It costs the answers that hold such a name about 10 µs a record.

Brokers accept more than they read: of a batch that is not compressed, for instance, any offset deltas. aiokafka would
read a record behind the end of its batch, whose offset would then be committed, or leave records out without a word.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cramjam
from aiokafka.consumer import fetcher as fetching
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint_py as decode_varint  # the fast one reads beyond the bytes it is given

from stream_app.kafka.bounded_codecs import BatchTooLarge
from stream_app.records import EscapedName, RawRecord, UnopenedBatch, UnreadBatch

_MAGIC_OF_HEADERS = 2  # older formats have none
_MAGIC_AT = _MemoryRecordsPy.MAGIC_OFFSET
_FastRecords: Any = fetching.MemoryRecords
_MALFORMED = (
    CorruptRecordException, ValueError, IndexError, OverflowError, EOFError,
    struct.error, zlib.error, cramjam.DecompressionError,
)  # fmt: skip
"""What parsers raise at bytes that they do not understand. A codec that is missing is not the producer's fault."""


class MalformedBatch(Exception):
    """A record batch as its producer made it, by its checksum, that does not hold what its header says."""


class _InOrder:
    """A batch whose records are given with a look-ahead of one: that at the last offset is left out where more follow,
    which can only be rejected at that offset.

    Raises MalformedBatch for records out of the order or of the offsets of the batch.
    """

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # the marker in a control batch
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        before, end = self._batch.base_offset - 1, self._batch.next_offset
        held = None
        try:
            for record in self._batch:
                if not before < record.offset < end:  # guarantee: offsets-are-those-of-the-batch
                    raise MalformedBatch(f"offset {record.offset} follows {before} in a batch that ends before {end}")
                before = record.offset
                if held is not None:
                    yield held
                held = record
        except Exception:
            if held is not None and held.offset < end - 1:  # guarantee: last-offset-stands-for-what-is-unread
                yield held
            raise
        if held is not None:
            yield held


def _in_order(batch: Any) -> Any:
    return _InOrder(batch) if hasattr(batch, "base_offset") else batch  # older formats have none


class FetchedRecords:
    """aiokafka's MemoryRecords of one partition in an answer of the broker, and the bytes to begin again with."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        records = _FastRecords(data)
        self.has_next = records.has_next
        self.size_in_bytes = records.size_in_bytes
        self._next_batch = records.next_batch
        self.last_batch: Any = None

    def next_batch(self) -> Any:
        self.last_batch = self._next_batch()
        return _in_order(self.last_batch)


class AnyNameRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """The same records, read without demands on the names of headers."""

    last_batch: Any = None

    def next_batch(self, *args: Any, **kwargs: Any) -> Any:
        batch, self.last_batch = self._next_slice, None
        if batch is None or batch[_MAGIC_AT] < _MAGIC_OF_HEADERS:
            self.last_batch = super().next_batch(*args, **kwargs)
        else:
            self._cache_next()
            self.last_batch = _AnyNameBatch(batch)
        return _in_order(self.last_batch)


class _AnyNameBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: bytearray
    _pos: int
    is_sound = False
    """Does its checksum say that it is as its producer made it? False before that was looked at."""

    def validate_crc(self) -> bool:
        self.is_sound = super().validate_crc()
        return self.is_sound

    def _read_msg(self, *_: Any) -> _DefaultRecordPy:
        """As aiokafka's own but for the names. Raises CorruptRecordException, ValueError or IndexError."""
        buffer, pos = self._buffer, self._pos
        length, pos = decode_varint(buffer, pos)
        end = pos + length
        pos += 1  # attributes: none are in use
        timestamp_delta, pos = decode_varint(buffer, pos)
        offset_delta, pos = decode_varint(buffer, pos)
        key, pos = self._bytes(pos)
        value, pos = self._bytes(pos)
        count, pos = decode_varint(buffer, pos)
        headers: list[tuple[str, bytes | None]] = []
        for _header in range(count):
            name, pos = self._bytes(pos)
            content, pos = self._bytes(pos)
            if name is None:
                raise CorruptRecordException("the name of a header is null")
            headers.append((_text_of(name), content))
        if pos != end:
            raise CorruptRecordException(f"a record of {length} bytes ends {pos - end} bytes behind its end")
        self._pos = pos
        appended = self.timestamp_type == self.LOG_APPEND_TIME
        timestamp = self.max_timestamp if appended else self.first_timestamp + timestamp_delta
        return _DefaultRecordPy(self.base_offset + offset_delta, timestamp, self.timestamp_type, key, value, headers)

    def _bytes(self, pos: int) -> tuple[bytes | None, int]:
        length, pos = decode_varint(self._buffer, pos)
        if length < 0:
            return None, pos
        if pos + length > len(self._buffer):
            raise CorruptRecordException(f"a field of {length} bytes ends behind its batch")
        return bytes(self._buffer[pos : pos + length]), pos + length


def _text_of(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return EscapedName(name)


class RawRecords(PartitionRecords):  # type: ignore[misc]
    """The records of one answer of the broker as what they are here, without aiokafka's own form in between.

    Raises CorruptRecordException for a batch that cannot be read, with what a person can do about it: the process ends
    then. Nothing is skipped, since what was lost would never be known. One that would take too much memory is given as
    an UnopenedBatch, and what cannot be read of one that its producer made so as an UnreadBatch.
    """

    def __init__(self, tp: Any, records: FetchedRecords, aborted_transactions: Any, *args: Any) -> None:
        self._aborted_transactions: list[tuple[int, int]]
        self._records: Any
        self.next_fetch_offset: int
        super().__init__(tp, records, aborted_transactions, *args)
        self._data = records.data
        self._all_aborted = list(self._aborted_transactions)
        self._given = 0  # where reading began again: what is before was given

    def _consumer_record(self, tp: Any, record: Any) -> RawRecord:
        return RawRecord(
            tp.topic, tp.partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers)
        )

    def _unpack_records(self) -> Iterator[RawRecord]:
        while True:
            try:
                yield from self._opened()
                return
            except BatchTooLarge:
                stands_for: type[RawRecord] = UnopenedBatch
            except MalformedBatch:
                stands_for = UnreadBatch
            batch = self._records.last_batch
            begin, self.next_fetch_offset = self.next_fetch_offset, batch.next_offset
            if self.next_fetch_offset > max(begin, self._given):
                yield stands_for(
                    self._tp.topic, self._tp.partition, batch.next_offset - 1, batch.max_timestamp, None, None
                )

    def _opened(self) -> Iterator[RawRecord]:
        """The records from where reading is. Raises BatchTooLarge and MalformedBatch behind the batch that is."""
        if not isinstance(self._records, AnyNameRecords):
            try:
                yield from super()._unpack_records()
                return
            # guarantee: header-names-of-any-bytes
            except (*_MALFORMED, MalformedBatch):  # UnicodeDecodeError is a ValueError
                pass
            self._given = self.next_fetch_offset  # it goes back to the answer's beginning, as the reading does
            self._records = AnyNameRecords(self._data)
            self._aborted_transactions = list(self._all_aborted)
            self._aborted_producers.clear()
        try:
            for record in super()._unpack_records():
                if record.offset >= self._given:  # guarantee: second-reading-gives-the-rest
                    yield record
        except (BatchTooLarge, MalformedBatch):
            raise
        except Exception as error:
            batch = self._records.last_batch
            # guarantee: malformed-batch-ends-no-worker
            if isinstance(error, _MALFORMED) and getattr(batch, "is_sound", False):
                raise MalformedBatch(str(error)) from error
            raise CorruptRecordException(  # guarantee: corrupt-batch-ends-the-process
                f"{self._tp.topic} {self._tp.partition} cannot be read at offset {self.next_fetch_offset} or soon "
                f"behind it ({type(error).__name__}: {error}). Nothing is skipped, so no worker gets past it. Where "
                "the disk of a broker is at fault, let another replica lead; where no replica is sound, decide what to "
                "give up, and set the group's offset behind it with kafka-consumer-groups.sh --reset-offsets."
            ) from error


fetching.MemoryRecords = FetchedRecords  # the fetcher makes both by these names
fetching.PartitionRecords = RawRecords
