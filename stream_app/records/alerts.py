"""Alerts, and what people do about them."""

from __future__ import annotations

from typing import Literal

from stream_app.records.immutable import value

ProductRule = Literal["negative_spike", "rating_drop", "safety_cluster"]
Rule = Literal["negative_review", "safety", ProductRule, "recovered"]
Reason = Literal["sentiment", "stars", "terms", "hazard", "ended", "withdrawn"]
Severity = Literal["info", "warning", "critical"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
RAISED_SEVERITIES: dict[ProductRule, Severity] = {
    "negative_spike": "warning",
    "rating_drop": "warning",
    "safety_cluster": "critical",
}


@value
class BadShare:
    """How many of a product's reviews are bad. The times: of the first hour counted and behind the last one."""

    reviews: int
    bad: int
    begins_ms: int | None = None
    ends_ms: int | None = None


@value
class AlertQuote:
    """A sentence of a review; None where it may not be quoted any more."""

    review_id: str
    revision: int
    rating: int | None
    sentence: str | None


@value
class Alert:
    """alert.v1: something turned bad (or well again), and why. ``alert_id`` is deterministic, and the same at any
    severity.

    Of a product: ``window`` has turned bad, compared with ``baseline``; ``quotes`` of its reviews; ``recovered_from``:
    by which rule it had alarmed that is well again; ``aspect``: whose spike it is, or which explains the product's.
    """

    alert_id: str
    rule: Rule
    severity: Severity
    product_id: str
    created_at_ms: int
    raised_at_ms: int
    review_id: str | None = None
    revision: int | None = None
    rating: int | None = None
    p_negative: float | None = None
    sentence: str | None = None
    safety_words: tuple[str, ...] = ()
    reason: Reason | None = None
    window: BadShare | None = None
    baseline: BadShare | None = None
    quotes: tuple[AlertQuote, ...] = ()
    recovered_from: ProductRule | None = None
    aspect: str | None = None

    @property
    def episode(self) -> str:
        """Of a product: what it is about, ``negative_spike`` or, of an aspect alone, ``negative_spike:quality``."""
        parts = self.alert_id.split("|")
        return parts[0] if self.rule != "recovered" else parts[2] if len(parts) > 2 else ""


@value
class Acknowledgement:
    """Who takes care of an alert, since when. ``severity``: the one that it had then."""

    by: str
    at_ms: int
    note: str | None
    severity: Severity


@value
class Mute:
    """Who wants no deliveries of a rule about a product, and until when."""

    by: str
    at_ms: int
    until_ms: int
    note: str | None = None


@value
class Handling:
    """What people do about an alert now: None is nothing."""

    acknowledged: Acknowledgement | None = None
    muted: Mute | None = None
