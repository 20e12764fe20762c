"""Removes or changes records of a topic in place: copies what is kept to the partition's end, deletes all before it.

    36 37 38 39 40                            39 is to be removed; 40 is the end
    36 37 38 39 | 40' 41' 42'                 copies of 36, 37, 38; killed here: the next run skips them
                  40' 41' 42'                 the log begins at 40, and its first record states that nothing was lost

Topic, partitions, the order in each and consumer groups stay. No one else may write to the topic meanwhile; such a
write is noticed before anything is deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from stream_app.kafka.admin import reach
from stream_app.kafka.copies import (
    REPORT_EVERY,
    CopyProducer,
    OnRecord,
    copied_offset,
    digest,
    is_left_over,
)
from stream_app.kafka.offsets import begin_offsets, end_offsets, log_ends
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.segments import new_segments
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import HEADER_LOG_BEGINS, RawRecord
from stream_app.settings import KafkaSettings

_DELETE_SECONDS = 30.0

Keep = Callable[[RawRecord], RawRecord | None]
"""The record as it is kept: itself, or with another value; None: it is removed."""


@dataclass(slots=True)
class Survey:
    """A partition before it is rewritten. Left-over copies of a run that died are neither kept nor dropped."""

    begin: int
    end: int
    last_original: int
    """The offset behind the last record that is no left-over copy: a consumer that committed it has read all."""
    kept: int = 0
    changed: int = 0
    """Of those that are kept."""
    dropped: int = 0


def survey(settings: KafkaSettings, topic: str, keep: Keep, on_read: OnRecord = lambda _: None) -> dict[int, Survey]:
    """Read the whole topic and count what is kept, changed and dropped per partition.

    ``on_read``: called with the number of records read so far.
    Raises BrokerUnavailable, or ConfigurationError if the topic is missing or is being written to.
    """
    begins, ends = begin_offsets(settings, topic), log_ends(settings, topic)
    found = {number: Survey(begin, ends[number], begin) for number, begin in begins.items()}
    for count, record in enumerate(read_to_end(settings, topic), start=1):
        one = found[record.partition]
        if not is_left_over(record, one.begin):
            one.last_original = record.offset + 1
            kept = keep(record)
            one.dropped += kept is None
            one.kept += kept is not None
            one.changed += kept is not None and kept is not record
        if count % REPORT_EVERY == 0:
            on_read(count)
    if end_offsets(settings, topic) != ends:
        raise _written_meanwhile(topic)
    return found


def copy_kept(
    settings: KafkaSettings, topic: str, found: Mapping[int, Survey], keep: Keep, on_copied: OnRecord = lambda _: None
) -> dict[int, str]:
    """Copy what is kept to the end of its partition, in order, and wait for all acknowledgements.

    ``found``: the partitions to rewrite. Returns a hash of what each partition's copies must be.
    Key, headers and timestamp are the original's; the first copy of a partition has the present time, so that
    the broker begins a segment with it. Raises BrokerUnavailable or ConfigurationError; nothing is deleted then.
    """
    ends = log_ends(settings, topic)
    if any(ends[number] != one.end for number, one in found.items()):
        raise _written_meanwhile(topic)
    hashes = {number: hashlib.sha256() for number in found}
    firsts: dict[int, int] = {}

    def copy(record: RawRecord) -> None:
        is_first = firsts.setdefault(record.partition, record.offset) == record.offset
        copies.put(record, begins_log_at=found[record.partition].end if is_first else None)
        hashes[record.partition].update(digest(record, record.offset))

    with CopyProducer(settings, topic, on_copied) as copies:
        with new_segments(settings, topic):
            wanted = sum(one.kept > 0 for one in found.values())
            kept = _kept(settings, topic, found, keep)
            while len(firsts) < wanted and (record := next(kept, None)) is not None:
                if record.partition not in firsts:
                    copy(record)
            copies.flush()
        for record in _kept(settings, topic, found, keep):
            if record.offset != firsts[record.partition]:
                copy(record)
        copies.flush()
    return {number: one.hexdigest() for number, one in hashes.items()}


def verify_copies(settings: KafkaSettings, topic: str, found: Mapping[int, Survey], hashes: Mapping[int, str]) -> None:
    """Read the copies back. Raises ConfigurationError unless exactly they are there, unchanged and in order."""
    since = {**log_ends(settings, topic), **{number: one.end for number, one in found.items()}}
    read = {number: hashlib.sha256() for number in found}
    counts = dict.fromkeys(found, 0)
    for record in read_to_end(settings, topic, since):
        number = record.partition
        place = copied_offset(record)
        if number not in found or place is None or record.offset != found[number].end + counts[number]:
            raise _written_meanwhile(topic)
        counts[number] += 1
        read[number].update(digest(record, place))
    for number, one in found.items():
        if counts[number] != one.kept or read[number].hexdigest() != hashes[number]:
            raise ConfigurationError(
                f"Partition {number} of {topic}: the copies are not what was copied ({counts[number]} of {one.kept}). "
                "Nothing was deleted."
            )


def delete_originals(settings: KafkaSettings, topic: str, found: Mapping[int, Survey]) -> None:
    """Delete everything before the copies. Raises BrokerUnavailable or ConfigurationError (no right to delete)."""
    asked = [TopicPartition(topic, number, one.end) for number, one in found.items()]

    def delete(admin: AdminClient) -> None:
        for done in admin.delete_records(
            asked, request_timeout=_DELETE_SECONDS, operation_timeout=_DELETE_SECONDS
        ).values():
            done.result(_DELETE_SECONDS)

    try:
        reach(settings, delete)
    except BrokerUnavailable as error:
        raise BrokerUnavailable(
            f"{topic}: the copies are complete, but what lies before them may not be deleted yet. {error}"
        ) from error


def lost_beginnings(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Count the offsets missing at each partition's beginning: 0 where it begins at 0, or where a rewrite moved it."""
    lost = begin_offsets(settings, topic)
    ends = end_offsets(settings, topic)
    for number, begin in lost.items():
        if begin > 0:
            first = next(read_to_end(settings, topic, {**ends, number: begin}), None)
            if first is not None and dict(first.headers).get(HEADER_LOG_BEGINS) == str(begin).encode():
                lost[number] = 0  # guarantee: log-begins-where-an-erasure-says
    return lost


def _kept(settings: KafkaSettings, topic: str, found: Mapping[int, Survey], keep: Keep) -> Iterator[RawRecord]:
    """Yield what is kept, as it is kept, in order per partition, up to the end that each had when it was surveyed."""
    since = {**log_ends(settings, topic), **{number: one.begin for number, one in found.items()}}
    for record in read_to_end(settings, topic, since):
        one = found.get(record.partition)
        if one is None or record.offset >= one.end or is_left_over(record, one.begin):
            continue
        if (kept := keep(record)) is not None:
            yield kept


def _written_meanwhile(topic: str) -> ConfigurationError:
    """Build the error for a topic that another process writes to."""
    return ConfigurationError(
        f"Another process writes to {topic}. Nothing was deleted. Stop what publishes there (`enrich`, `summarize`, "
        "`notify`, `dead-letter replay`), or end an open transaction, and run this again."
    )
