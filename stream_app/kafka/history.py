"""What a topic holds since a moment, and since when it certainly holds everything."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka.admin import OffsetSpec

from stream_app.kafka.offsets import end_offsets, offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics_admin import retention_ms
from stream_app.records import RawRecord
from stream_app.settings import KafkaSettings


def read_since(settings: KafkaSettings, topic: str, since_ms: int) -> Iterator[RawRecord]:
    """Every record whose timestamp is ``since_ms`` or later, up to the end that the topic has now.

    Older ones may be among them: timestamps need not ascend. Raises ConfigurationError when the topic is missing.
    """
    ends = end_offsets(settings, topic)  # before the question: what comes meanwhile is then read, too
    starts = offsets(settings, topic, OffsetSpec.for_timestamp(max(0, since_ms)))
    none = {number: ends[number] for number, start in starts.items() if start < 0}
    return read_to_end(settings, topic, {**starts, **none})


def complete_since(settings: KafkaSettings, topic: str, now_ms: int) -> int:
    """The moment since which nothing is missing from the topic; 0 when nothing was ever deleted.

    What is younger than the topic's retention is there. So is, as segments are deleted oldest first, what is younger
    than a partition's first record.
    """
    begins, ends = offsets(settings, topic, OffsetSpec.earliest()), end_offsets(settings, topic)
    cut = {number: begin for number, begin in begins.items() if begin > 0}
    if not cut:
        return 0
    kept_ms = retention_ms(settings, topic)
    since = 0
    for number, begin in cut.items():
        first = next(read_to_end(settings, topic, {**ends, number: begin}), None)
        held_since = now_ms if first is None else first.timestamp_ms
        since = max(since, held_since if kept_ms is None else min(held_since, now_ms - kept_ms))
    return min(since, now_ms)
