"""A review between its arrival and its publication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stream_app.ports import InFlightRecord
from stream_app.records import Alert, Message, Position, Review, SentenceScores, Sentiment
from stream_app.steps.alert_rules import Suppressed
from stream_app.steps.prepare import Prepared


class DueAlert(NamedTuple):
    """The result of an alert rule, and the alert's message.

    The message is made where record errors are handled, so one that cannot be made rejects its review alone.
    """

    found: Alert | Suppressed | None
    message: Message | None


NO_ALERT = DueAlert(None, None)


@dataclass(slots=True, eq=False)
class OpenReview:
    """A review that waits for a model or is computed by one."""

    in_flight: InFlightRecord
    review: Review
    prepared: Prepared
    produced_at_ms: int | None  # its record's timestamp; None: unusable
    sentiment: Sentiment | None = None
    sentiment_missing: str | None = None
    truncated: bool = False
    sentences: tuple[SentenceScores, ...] = ()  # as the model judged them
    summary_input: str = ""  # what T5 is given of it, once that was made
    high_priority: bool = False
    finished: bool = False
    hazard: DueAlert | None = None  # by the rule safety, which needs no model
    by_stars: DueAlert | None = None  # of a review that no model reads
    alone: bool = False  # on the device, by itself: a candidate that no child process could compute


def position_of(in_flight: InFlightRecord) -> Position:
    """Return the position of the input record."""
    record = in_flight.record
    return Position(record.topic, record.partition, record.offset)
