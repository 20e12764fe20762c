"""Takes records out of a topic in place: copies what is kept to the partition's end, deletes all before the copies.

    36 37 38 39 40                            39 is to go; 40 is the end
    36 37 38 39 | 40' 41' 42'                 copies of 36, 37, 38; killed here: the next run passes over them
                  40' 41' 42'                 the log begins at 40, and its first record says that nothing was lost

Topic, partitions, the order in each and consumer groups stay. Nobody else may write to the topic meanwhile; where
somebody does, it is noticed before anything is deleted.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ResourceType,
)

from stream_app.kafka.admin import reach
from stream_app.kafka.client_config import producer_config
from stream_app.kafka.offsets import begin_offsets, end_offsets, log_ends
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import ROLL_AT_ONCE_MS
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import RawRecord
from stream_app.settings import Settings

HEADER_COPY_OF = "stream-app-copy-of"
"""Of a copy: partition/offset of the record that it stands for."""
HEADER_LOG_BEGINS = "stream-app-log-begins"
"""Of a partition's first copy: its own offset. What lay before it was copied or erased, not lost."""

_OURS = (HEADER_COPY_OF, HEADER_LOG_BEGINS)
_ROLL_MS = str(ROLL_AT_ONCE_MS)
_SECONDS = 30.0
_CONFIG_SECONDS = 10.0
_BROKER_LEARNS_SECONDS = 1.0
_MAX_COPY_BYTES = 16 * 1024 * 1024  # as the topic's own limit is judged by the broker, after compression
_TELL_EVERY = 100  # records

Drops = Callable[[RawRecord], bool]
OnRecord = Callable[[int], None]


@dataclass(slots=True)
class Survey:
    """A partition before it is rewritten. Left-over copies of a run that died are neither kept nor dropped."""

    begin: int
    end: int
    last_original: int
    """The offset behind the last record that is no left-over copy: a consumer that committed it has read all."""
    kept: int = 0
    dropped: int = 0


def survey(settings: Settings, topic: str, drops: Drops, on_read: OnRecord = lambda _: None) -> dict[int, Survey]:
    """Read the whole topic. ``drops``: is this record to go? ``on_read(records)`` tells how far the reading is.

    Raises BrokerUnavailable, or ConfigurationError where the topic is missing or somebody writes to it.
    """
    begins, ends = begin_offsets(settings, topic), log_ends(settings, topic)
    found = {number: Survey(begin, ends[number], begin) for number, begin in begins.items()}
    for count, record in enumerate(read_to_end(settings, topic), start=1):
        one = found[record.partition]
        if not _is_left_over(record, one.begin):
            one.last_original = record.offset + 1
            if drops(record):
                one.dropped += 1
            else:
                one.kept += 1
        if count % _TELL_EVERY == 0:
            on_read(count)
    if end_offsets(settings, topic) != ends:
        raise _written_meanwhile(topic)
    return found


def copy_kept(
    settings: Settings, topic: str, found: Mapping[int, Survey], drops: Drops, on_copied: OnRecord = lambda _: None
) -> dict[int, str]:
    """Copy what is kept to the end of its partition, in order, and wait for all acknowledgements; returns a hash of
    what each partition's copies must be. ``found``: the partitions to rewrite.

    Key, value, headers and timestamp are the original's; the first copy of a partition has the present time, so that
    the broker begins a segment with it. Raises BrokerUnavailable or ConfigurationError; nothing is deleted then.
    """
    ends = log_ends(settings, topic)
    if any(ends[number] != one.end for number, one in found.items()):
        raise _written_meanwhile(topic)
    copies = _Copies(settings, topic, on_copied)
    hashes = {number: hashlib.sha256() for number in found}
    firsts: dict[int, int] = {}

    def copy(record: RawRecord) -> None:
        is_first = firsts.setdefault(record.partition, record.offset) == record.offset
        copies.put(record, begins_log_at=found[record.partition].end if is_first else None)
        hashes[record.partition].update(_digest(record, record.offset))

    try:
        with _segments_end(settings, topic):
            wanted = sum(one.kept > 0 for one in found.values())
            originals = _originals(settings, topic, found, drops)
            while len(firsts) < wanted and (record := next(originals, None)) is not None:
                if record.partition not in firsts:
                    copy(record)
            copies.flush()
        for record in _originals(settings, topic, found, drops):
            if record.offset != firsts[record.partition]:
                copy(record)
        copies.flush()
    finally:
        copies.close()
    return {number: one.hexdigest() for number, one in hashes.items()}


def verify_copies(settings: Settings, topic: str, found: Mapping[int, Survey], hashes: Mapping[int, str]) -> None:
    """Read the copies back. Raises ConfigurationError unless all are there, the same, in order, and nothing else."""
    since = {**log_ends(settings, topic), **{number: one.end for number, one in found.items()}}
    read = {number: hashlib.sha256() for number in found}
    counts = dict.fromkeys(found, 0)
    for record in read_to_end(settings, topic, since):
        number = record.partition
        place = _copy_of(record)
        if number not in found or place is None or record.offset != found[number].end + counts[number]:
            raise _written_meanwhile(topic)
        counts[number] += 1
        read[number].update(_digest(record, place))
    for number, one in found.items():
        if counts[number] != one.kept or read[number].hexdigest() != hashes[number]:
            raise ConfigurationError(
                f"Partition {number} of {topic}: the copies are not what was copied ({counts[number]} of {one.kept}). "
                "Nothing was deleted."
            )


def delete_originals(settings: Settings, topic: str, found: Mapping[int, Survey]) -> None:
    """Delete all that lies before the copies. Raises BrokerUnavailable or ConfigurationError (no right to delete)."""
    asked = [TopicPartition(topic, number, one.end) for number, one in found.items()]

    def delete(admin: AdminClient) -> None:
        for done in admin.delete_records(asked, request_timeout=_SECONDS, operation_timeout=_SECONDS).values():
            done.result(_SECONDS)

    try:
        reach(settings, delete)
    except BrokerUnavailable as error:
        raise BrokerUnavailable(
            f"{topic}: the copies are complete, but what lies before them may not be deleted yet. {error}"
        ) from error


def lost_beginnings(settings: Settings, topic: str) -> dict[int, int]:
    """Offsets gone from each partition's beginning: 0 where it begins at 0, or where ``copy_kept`` says."""
    lost = begin_offsets(settings, topic)
    ends = end_offsets(settings, topic)
    for number, begin in lost.items():
        if begin > 0:
            first = next(read_to_end(settings, topic, {**ends, number: begin}), None)
            if first is not None and dict(first.headers).get(HEADER_LOG_BEGINS) == str(begin).encode():
                lost[number] = 0  # guarantee: log-begins-where-an-erasure-says
    return lost


class _Copies:
    """The producer of the copies."""

    def __init__(self, settings: Settings, topic: str, on_copied: OnRecord) -> None:
        # a person waits: unlike a worker's, this producer gives up in the end
        timeout_ms = int(settings.publish_patience_seconds * 1000)
        config = {
            **producer_config(settings),
            "message.timeout.ms": timeout_ms,
            "message.max.bytes": _MAX_COPY_BYTES,
        }
        self._producer = Producer(config)
        self._brokers = settings.brokers
        self._topic = topic
        self._on_copied = on_copied
        self._failed: list[Exception] = []
        self._count = 0

    def put(self, record: RawRecord, *, begins_log_at: int | None) -> None:
        """Queue the copy of a record. ``begins_log_at``: the offset that it will have, as its partition's first."""
        first = begins_log_at is not None
        headers = [
            *_without_ours(record),
            (HEADER_COPY_OF, f"{record.partition}/{record.offset}".encode()),
            *([(HEADER_LOG_BEGINS, str(begins_log_at).encode())] if first else []),
        ]
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    value=record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=headers,
                    # guarantee: copies-begin-a-segment
                    timestamp=0 if first else max(0, record.timestamp_ms),  # 0: now
                    on_delivery=self._delivered,
                )
                break
            except BufferError:
                self._poll(0.2)
            except KafkaException as error:
                raise self._refused(error.args[0]) from error
        self._poll(0)

    def flush(self) -> None:
        while len(self._producer):
            self._poll(0.2)
        self._poll(0)

    def close(self) -> None:
        self._producer.purge()  # else its destruction would wait for a broker that is away

    def _poll(self, seconds: float) -> None:
        self._producer.poll(seconds)
        if self._failed:
            raise self._failed[0]

    def _delivered(self, error: KafkaError | None, _: Any) -> None:
        if error is None:
            self._count += 1
            if self._count % _TELL_EVERY == 0:
                self._on_copied(self._count)
        elif error.code() == KafkaError._MSG_TIMED_OUT:
            self._failed.append(
                BrokerUnavailable(f"Kafka at {self._brokers} does not acknowledge copies. Nothing was deleted.")
            )
        else:
            self._failed.append(self._refused(error))

    def _refused(self, error: KafkaError) -> ConfigurationError:
        return ConfigurationError(
            f"Kafka refused a copy in {self._topic}: {error.str()}. Nothing was deleted. Where a record is too large, "
            "raise the topic's max.message.bytes."
        )


def _originals(settings: Settings, topic: str, found: Mapping[int, Survey], drops: Drops) -> Iterator[RawRecord]:
    """What is kept, in order per partition, up to where each ended when it was surveyed."""
    since = {**log_ends(settings, topic), **{number: one.begin for number, one in found.items()}}
    for record in read_to_end(settings, topic, since):
        one = found.get(record.partition)
        if one is not None and record.offset < one.end and not _is_left_over(record, one.begin) and not drops(record):
            yield record


@contextmanager
def _segments_end(settings: Settings, topic: str) -> Iterator[None]:
    """The next record of each partition begins a new segment, so that the broker removes the files of the old ones;
    in a segment that holds copies too, deleted records would stay on its disk.

    What a run that was killed in here left is taken back by the next one, to the brokers' default. Without the right to
    alter the topic nothing is changed.
    """
    before = _own_segment_ms(settings, topic)
    if not _set_segment_ms(settings, topic, _ROLL_MS):
        yield
        return
    try:
        time.sleep(_BROKER_LEARNS_SECONDS)
        yield
    finally:
        if not _set_segment_ms(settings, topic, None if before == _ROLL_MS else before):
            raise BrokerUnavailable(f"segment.ms of {topic} could not be set back and is {_ROLL_MS}. Run this again.")


def _own_segment_ms(settings: Settings, topic: str) -> str | None:
    """The topic's segment.ms; None where it has the brokers' default, or we may not ask."""

    def ask(admin: AdminClient) -> str | None:
        [future] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        entry = future.result(_CONFIG_SECONDS)["segment.ms"]
        return str(entry.value) if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value else None

    try:
        return reach(settings, ask)
    except (BrokerUnavailable, TimeoutError):
        return None


def _set_segment_ms(settings: Settings, topic: str, value: str | None) -> bool:
    """None: the brokers' default. False: we may not."""
    operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry("segment.ms", value or "", incremental_operation=operation)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])

    def alter(admin: AdminClient) -> None:
        [future] = admin.incremental_alter_configs([resource], request_timeout=_CONFIG_SECONDS).values()
        future.result(_CONFIG_SECONDS)

    try:
        reach(settings, alter)
    except (BrokerUnavailable, TimeoutError):
        return False
    return True


def is_copy(record: RawRecord) -> bool:
    """Does it stand for an earlier record of its partition, which the group that reads the topic has read?"""
    return _copy_of(record) is not None


def _is_left_over(record: RawRecord, begin: int) -> bool:
    """Is it the copy of a record that is still there? Then the run that made it did not get to the deletion."""
    place = _copy_of(record)
    return place is not None and begin <= place < record.offset  # guarantee: left-over-copies-are-passed-over


def _copy_of(record: RawRecord) -> int | None:
    """The offset of the original, in the same partition."""
    for name, value in record.headers:
        if name == HEADER_COPY_OF:
            partition, _, offset = (value or b"").partition(b"/")
            if partition == str(record.partition).encode() and offset.isdigit():
                return int(offset)
    return None


def _without_ours(record: RawRecord) -> list[tuple[str, bytes]]:
    return [(name, value) for name, value in record.headers if name not in _OURS]


def _digest(record: RawRecord, place: int) -> bytes:
    """Of what must be the same in an original at ``place`` and its copy."""
    digest = hashlib.sha256(b"%d" % place)
    parts = [record.key, record.value]
    for name, value in _without_ours(record):
        parts += [name.encode(), value]
    for part in parts:
        digest.update(b"%d:" % (-1 if part is None else len(part)))
        digest.update(part or b"")
    return digest.digest()


def _written_meanwhile(topic: str) -> ConfigurationError:
    return ConfigurationError(
        f"Somebody writes to {topic}. Nothing was deleted. Stop what publishes there (`enrich`, `summarize`, `notify`, "
        "`dead-letter replay`), or end an open transaction, and run this again."
    )
