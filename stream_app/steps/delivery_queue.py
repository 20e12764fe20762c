"""The values of the queues in which alerts wait for their receivers."""

from __future__ import annotations

from typing import Literal

from stream_app.records import RAISED_SEVERITIES, Alert, Position, Severity, value

Suppression = Literal["cool_down", "quiet_hours", "muted", "acknowledged"]
SUPPRESSIONS: tuple[Suppression, ...] = ("cool_down", "quiet_hours", "muted", "acknowledged")
"""Why an alert is counted in the next message instead of being delivered."""

MAX_WAITING = 5_000
"""Alerts that wait for one receiver; beyond it the least severe and oldest ones are given up."""

_PARTS_OF_AN_END = 4
_HOUR_MS = 3_600_000


def believed_until_ms(severity: Severity, now_ms: int) -> int:
    """The latest time that an alert can be due at: a critical one after a pause, others after a day's digest and quiet
    hours. What is due later was queued by a clock that was ahead, and is due now.
    """
    return now_ms + (_HOUR_MS if severity == "critical" else 49 * _HOUR_MS)


@value
class Waiting:
    """An alert that waits to be delivered to one receiver: without the words of its review.

    ``place`` and ``timestamp_ms``: of its record. ``due_at_ms``: of its next try. ``digest_at_ms``: of the digest that
    it belongs to. ``acknowledges``: not the alert is delivered, but that somebody takes care of it.
    """

    alert: Alert
    place: Position
    timestamp_ms: int
    queued_at_ms: int
    due_at_ms: int
    digest_at_ms: int | None = None
    acknowledges: bool = False

    @property
    def ref(self) -> str:
        """Names it among those of its receiver: an alert_id fires again only at a higher severity."""
        return f"{ref_of(self.alert)}{'|acknowledged' if self.acknowledges else ''}"

    @property
    def follows(self) -> str | None:
        """The ref of the alert that the receiver has to have before: that it is over, or somebody takes care of it."""
        if self.acknowledges:
            return ref_of(self.alert)
        rule, parts = self.alert.recovered_from, self.alert.alert_id.split("|")
        if rule is None or len(parts) != _PARTS_OF_AN_END:
            return None
        _, product, episode, begun = parts
        return f"{episode}|{product}|{begun}|{RAISED_SEVERITIES[rule]}"

    @property
    def first_due_at_ms(self) -> int:
        """When it was or is tried first."""
        return max(self.queued_at_ms, self.digest_at_ms or 0)


@value
class Unreadable:
    """An entry of a queue that this version cannot read: damaged, or written by another one. ``packed``: as it is."""

    ref: str
    packed: bytes


def ref_of(alert: Alert) -> str:
    """Of an alert that may wait: see ``Waiting.ref``."""
    return f"{alert.alert_id}|{alert.severity}"


@value
class Addition:
    """An alert for a receiver: queued, or counted where ``suppressed``. ``cool_down``: a key, and until when (ms) it
    suppresses others.
    """

    receiver: str
    waiting: Waiting
    suppressed: Suppression | None = None
    cool_down: tuple[str, int] | None = None


@value
class ReceiverState:
    """How deliveries to a receiver went: ``failures`` in a row, since when, and until when it is left alone.

    ``disabled_at_ms``: it answered that it wants no more (410).
    """

    failures: int = 0
    failing_since_ms: int | None = None
    not_before_ms: int = 0
    last_error: str = ""
    disabled_at_ms: int | None = None


@value
class QueueStatus:
    """A receiver's state, how many alerts wait for it, and when (ms) the first of them was due first.

    ``last_at_ms``: when an alert was queued or suppressed last. ``suppressed``: (reason, number) of what the next
    message will count.
    """

    state: ReceiverState
    waiting: int
    oldest_at_ms: int | None
    last_at_ms: int | None
    suppressed: tuple[tuple[Suppression, int], ...]
