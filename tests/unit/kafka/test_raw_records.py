"""Records with any headers come out of aiokafka's fetcher as they are; what is corrupt is reported, never skipped."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record import default_records
from aiokafka.record._crecords import default_records as fast_default_records
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition

from stream_app.kafka import bounded_codecs
from stream_app.kafka.raw_records import FetchedRecords, RawRecords
from stream_app.records import EscapedName, RawRecord, UnopenedBatch, UnreadBatch
from tests.reliability.testbed.raw_producer import (
    GZIP,
    LZ4,
    NONE,
    SNAPPY,
    ZSTD,
    RawInput,
    batch_of,
    sealed,
    strange_batch,
)

TP = TopicPartition("reviews", 3)
NAMES = ((b"trace", b"1"), (b"\xff\xfe", b"2"), (b"", None), (b"trace", b"3"))
AS_READ: Any = (("trace", b"1"), ("\\xff\\xfe", b"2"), ("", None), ("trace", b"3"))


def based_at(offset: int, batch: bytes) -> bytes:
    """The batch as the broker stores it: the base offset is none of what its checksum covers."""
    return offset.to_bytes(8, "big") + batch[8:]


def read(data: bytes, since: int = 0, isolation: int = READ_UNCOMMITTED, aborted: Any = None) -> list[RawRecord]:
    """All records of one answer of the broker, from an offset on."""
    return list(RawRecords(TP, FetchedRecords(data), aborted, since, None, None, True, isolation))


@pytest.mark.parametrize("codec", [NONE, GZIP, SNAPPY, LZ4, ZSTD])
def test_name_that_is_not_utf8_is_read_with_its_bytes_escaped(codec: int) -> None:
    """Key and value stay as they are; null values, empty names and names that come twice too."""
    value = b"\xff" * 1000  # compression must gain something, or it is left out
    record = RawInput(b"\xfe", value, NAMES, 17)

    [found] = read(based_at(40, batch_of([record], codec)), since=40)

    assert found == RawRecord("reviews", 3, 40, 17, b"\xfe", value, AS_READ)
    assert [name.sent for name, _ in found.headers if isinstance(name, EscapedName)] == [b"\xff\xfe"]


def test_records_before_and_behind_such_a_name_come_once_and_in_order() -> None:
    """The answer is read again from its beginning: nothing is given twice, nothing is left out."""
    good, odd = RawInput(b"k", b"good", ((b"trace", b"1"),)), RawInput(None, None, NAMES)
    data = based_at(10, batch_of([good, good])) + based_at(12, batch_of([good, odd, good], LZ4))
    data += based_at(20, batch_of([odd, good]))

    assert [record.offset for record in read(data, since=11)] == [11, 12, 13, 14, 20, 21]
    assert [record.headers for record in read(data)][3] == AS_READ


def test_aborted_transactions_stay_left_out_when_the_answer_is_read_again() -> None:
    def transactional(producer: int, offset: int, record: RawInput) -> bytes:
        builder = _DefaultRecordBatchBuilderPy(2, NONE, True, producer, 0, 0, 2**20)
        builder.append(0, record.timestamp_ms, record.key, record.value, [])
        return based_at(offset, bytes(builder.build()))

    data = transactional(7, 0, RawInput(value=b"aborted")) + transactional(8, 1, RawInput(value=b"committed"))
    data += based_at(2, batch_of([RawInput(value=b"odd", headers=NAMES)]))

    found = read(data, isolation=READ_COMMITTED, aborted=[(7, 0)])

    assert [record.value for record in found] == [b"committed", b"odd"]


@pytest.mark.parametrize("damaged", ["value", "checksum"])
def test_corrupt_batch_is_reported_with_its_place_and_not_skipped(damaged: str) -> None:
    """Also behind a name that is not UTF-8; records before it were given."""
    batch = bytearray(based_at(5, batch_of([RawInput(b"k", b"value")])))
    batch[-3 if damaged == "value" else 17] ^= 0xFF
    data = based_at(4, batch_of([RawInput(headers=NAMES)])) + bytes(batch)
    records = RawRecords(TP, FetchedRecords(data), None, 0, None, None, True, READ_UNCOMMITTED)

    assert next(records).offset == 4
    with pytest.raises(CorruptRecordException, match=r"reviews 3 cannot be read at offset 5 .* Nothing is skipped"):
        next(records)


def one(offset: int, value: bytes) -> RawRecord:
    return RawRecord("reviews", 3, offset, 1, b"k", value)


def stands_for(offset: int) -> RawRecord:
    return UnreadBatch("reviews", 3, offset, 1, None, None)


def sent(*values: bytes) -> list[RawInput]:
    return [RawInput(b"k", value, timestamp_ms=1) for value in values]


@pytest.mark.parametrize("codec", [NONE, LZ4])
@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ((1000, 1, 2), [stands_for(12)]),
        ((-1, 1, 2), [stands_for(12)]),
        ((0, 1, 2**31 - 1), [one(10, b"a" * 99), one(11, b"b" * 99), stands_for(12)]),
        ((0, 0, 0), [one(10, b"a" * 99), stands_for(12)]),
        ((0, 2, 1), [one(10, b"a" * 99), stands_for(12)]),
        ((0, 1, 2), [one(10, b"a" * 99), one(11, b"b" * 99), one(12, b"c" * 99)]),
    ],
)
def test_record_out_of_its_batchs_offsets_rejects_the_rest_of_the_batch(
    deltas: tuple[int, ...], expected: list[RawRecord], codec: int
) -> None:
    """Its offset would be committed, and what really stands before it never read. The next batch is read."""
    strange = strange_batch(sent(b"a" * 99, b"b" * 99, b"c" * 99), deltas, codec)
    data = based_at(10, strange) + based_at(13, batch_of(sent(b"behind")))

    found = read(data, since=10)

    assert found == [*expected, one(13, b"behind")]
    assert [type(record) for record in found] == [*map(type, expected), RawRecord]


def test_offsets_of_a_compacted_batch_have_gaps() -> None:
    """Kafka keeps the batch's last offset, also where its last record is gone."""
    batch = bytearray(strange_batch(sent(b"a", b"b"), (1, 4)))
    batch[23:27] = (6).to_bytes(4, "big")

    assert read(based_at(10, sealed(batch)), since=10) == [one(11, b"a"), one(14, b"b")]


def test_attributes_of_a_record_are_one_byte() -> None:
    assert read(based_at(10, strange_batch(sent(b"v"), (0,), attributes=0x80)), since=10) == [one(10, b"v")]


CODECS = [GZIP, SNAPPY, LZ4, ZSTD]


@pytest.mark.parametrize("damage", ["flipped", "more", "cut"])
@pytest.mark.parametrize("codec", [NONE, *CODECS])
def test_records_that_cannot_be_read_reject_their_batch_where_the_checksum_is_sound(codec: int, damage: str) -> None:
    """A sound checksum says nothing of what a producer wrote; it says that no disk is at fault."""
    batch = bytearray(batch_of(sent(bytes(range(256)) * 9), codec))
    if damage == "flipped":
        batch[-1 if codec in (NONE, LZ4) else 61] ^= 0xFF  # LZ4's: a checksum of its own
    else:
        batch = batch + b"12345678" if damage == "more" else batch[:-5]
        batch[8:12] = (len(batch) - 12).to_bytes(4, "big")
    data = based_at(10, sealed(batch)) + based_at(11, batch_of(sent(b"behind")))

    assert read(data, since=10) == [stands_for(10), one(11, b"behind")]


def test_whatever_a_batch_holds_the_next_one_is_read() -> None:
    """With a sound checksum, and any bytes cut or changed. A parser that trusts lengths ends with SIGSEGV."""
    random = Random(1)
    for _ in range(1500):
        records = [RawInput(b"k", bytes(random.randrange(3000)), random.choice([(), NAMES]), 1) for _ in range(2)]
        batch = bytearray(batch_of(records, random.choice([NONE, *CODECS])))
        if random.random() < 0.6:
            batch = batch[: random.randrange(62, len(batch))]
        for _ in range(random.randrange(4)):
            batch[random.randrange(61, len(batch))] = random.choice([0, 2, 0x7F, 0x80, 0xFF])
        batch[8:12] = (len(batch) - 12).to_bytes(4, "big")

        found = read(based_at(10, sealed(batch)) + based_at(12, batch_of(sent(b"behind"))), since=10)

        assert found[-1] == one(12, b"behind")
        assert found[-2].offset == 11


def test_missing_codec_rejects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is missing here, whatever the producer did."""

    def unsupported(_: Any) -> bytes:
        raise UnsupportedCodecError("no library")

    for module in (default_records, fast_default_records):
        monkeypatch.setattr(module, "zstd_decode", unsupported)
    with pytest.raises(UnsupportedCodecError):
        read(batch_of(sent(b"v" * 999), ZSTD))


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many bytes a batch may take."""
    monkeypatch.setattr(bounded_codecs, "MAX_BATCH_BYTES", 3 * 2**20)
    return 3 * 2**20


def bomb(offset: int, size: int, codec: int) -> bytes:
    """A batch of three records that takes at least this number of bytes."""
    records = [RawInput(b"a", b"first"), RawInput(b"b", bytes(size)), RawInput(b"c", b"last", timestamp_ms=99)]
    return based_at(offset, batch_of(records, codec))


@pytest.mark.parametrize("codec", CODECS)
def test_batch_that_would_take_too_much_memory_is_one_record_that_says_so(small_limit: int, codec: int) -> None:
    before = based_at(37, batch_of([RawInput(b"k", b"before", timestamp_ms=1)]))
    behind = based_at(43, batch_of([RawInput(b"k", b"behind", timestamp_ms=1)], codec))

    found = read(before + bomb(40, small_limit, codec) + behind, since=37)

    assert [(one.offset, one.value) for one in found] == [(37, b"before"), (42, None), (43, b"behind")]
    assert [type(one) for one in found] == [RawRecord, UnopenedBatch, RawRecord]


@pytest.mark.parametrize("codec", CODECS)
def test_batch_just_below_the_limit_is_read(small_limit: int, codec: int) -> None:
    [first, large, last] = read(bomb(40, small_limit - 1000, codec), since=40)
    assert (first.value, last.value) == (b"first", b"last")
    assert large.value == bytes(small_limit - 1000)
    [again] = read(based_at(0, batch_of([RawInput(b"k", b"x" * 1000)], codec)))
    assert again.value == b"x" * 1000, "nothing is left of the one before"


def test_position_is_behind_a_batch_that_was_not_opened(small_limit: int) -> None:
    records = RawRecords(TP, FetchedRecords(bomb(40, small_limit, ZSTD)), None, 41, None, None, True, READ_COMMITTED)
    assert next(records).offset == 42
    assert records.next_fetch_offset == 43
    assert list(records) == []


def test_batch_that_was_not_opened_is_given_once_where_a_strange_name_follows(small_limit: int) -> None:
    strange = based_at(43, batch_of([RawInput(b"k", b"v", NAMES)]))
    later = bomb(50, small_limit, GZIP)
    assert [one.offset for one in read(bomb(40, small_limit, ZSTD) + strange + later, since=40)] == [42, 43, 52]
