"""The ids of alerts: the same for all revisions and severities of a review."""

from __future__ import annotations

from stream_app.records import SEVERITIES, Review, Rule, percent_encoded

_RULE: Rule = "negative_review"


def alert_id_of(review: Review, rule: Rule = _RULE) -> str:
    """The id of a review's alert by a rule, the same for all of its revisions and severities."""
    return f"{rule}|{percent_encoded(review.product_id)}|{percent_encoded(review.review_id)}"


def without_severity(alert_id: str) -> str:
    """The id of an alert as it is now: version 0.1 appended the severity, and such alerts are read for 30 days."""
    head, _, last = alert_id.rpartition("|")
    return head if head.count("|") == 2 and alert_id.startswith(f"{_RULE}|") and last in SEVERITIES else alert_id
