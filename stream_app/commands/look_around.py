"""What the page's strip of operations shows: the lines of `stream-app status`, and how long a review takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from stream_app.commands.status import lines
from stream_app.commands.status_lines import Line
from stream_app.ports import ConfigurationError, Unavailable
from stream_app.records import EnrichedReview
from stream_app.settings import Settings


def look_around(settings: Settings) -> Sequence[dict[str, Any]]:
    """A part of the system each, as `stream-app status --json` has it; takes about three seconds.

    A server that is away is a part that is wrong.
    """
    found = [*lines(settings), *_latency(settings)]
    return [{**asdict(one), "ok": not one.next_step} for one in found]


def _latency(settings: Settings) -> list[Line]:
    """From the timestamp of the newest enriched review's input record to its own; nothing where one is gone."""
    from stream_app import contract
    from stream_app.kafka.offsets import end_offsets
    from stream_app.kafka.reader import newest, read_to_end
    from stream_app.kafka.topics import Topics

    try:
        record = newest(settings, Topics(settings.topic_prefix).enriched)
        review = None if record is None else contract.decode_enriched(record)
        if record is None or not isinstance(review, EnrichedReview):
            return []
        topic, partition, offset = review.input
        since = {**end_offsets(settings, topic), partition: offset}
        arrived = next((one for one in read_to_end(settings, topic, since) if one.offset == offset), None)
    except (ConfigurationError, Unavailable):
        return []  # the other lines say so
    if arrived is None:
        return []
    took_ms = max(0, record.timestamp_ms - arrived.timestamp_ms)
    at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="seconds")
    words = f"{took_ms / 1000:.1f} s from review to enriched review, at {at}"
    return [Line("latency", words, facts={"latency_ms": took_ms, "at": at})]
