"""When a review is alarming, and how much."""

from __future__ import annotations

from urllib.parse import quote

from stream_app.records import Alert, Review, Sentiment, Severity
from stream_app.steps.enrich import Prepared
from stream_app.steps.summary_text import key_sentence

_SURE = 0.95  # P(negative) from which one or two stars, or none given, make it a warning
_CONTENT = 4  # stars from which hardly any review alarms


def may_alarm(review: Review, prepared: Prepared, *, max_age_ms: int, now_ms: int) -> bool:
    """Is an alert to be expected, before a model has read the review? By its stars, or their absence, and its words."""
    alarming = review.rating is None or review.rating < _CONTENT or bool(prepared.safety_words)
    return alarming and not _is_old(review, max_age_ms, now_ms)


def negative_review(
    review: Review,
    prepared: Prepared,
    sentiment: Sentiment,
    *,
    threshold: float,
    max_age_ms: int,
    now_ms: int,
) -> Alert | None:
    """The alert for a review whose P(negative) is at least ``threshold``; None for others and for old ones.

    Its id names product, review and severity: the same review alarms again only when it gets worse. It carries the
    sentence that weighs most.
    """
    p_negative = sentiment.scores[0]
    if p_negative < threshold or _is_old(review, max_age_ms, now_ms):
        return None
    severity = severity_of(p_negative, review.rating, prepared.safety_words)
    span = key_sentence(prepared.text, bool(prepared.safety_words))
    return Alert(
        alert_id="|".join(
            ("negative_review", quote(review.product_id, safe=""), quote(review.review_id, safe=""), severity)
        ),
        rule="negative_review",
        severity=severity,
        product_id=review.product_id,
        review_id=review.review_id,
        revision=review.revision,
        created_at_ms=review.created_at_ms,
        raised_at_ms=now_ms,
        rating=review.rating,
        p_negative=p_negative,
        sentence=prepared.text[span.start : span.end] if span else None,
        safety_words=prepared.safety_words,
    )


def severity_of(p_negative: float, rating: int | None, safety_words: tuple[str, ...]) -> Severity:
    """critical: a safety word. warning: surely negative, and the stars do not contradict. info: anything else."""
    if safety_words:
        return "critical"
    if p_negative >= _SURE and (rating is None or rating <= 2):
        return "warning"
    return "info"


def _is_old(review: Review, max_age_ms: int, now_ms: int) -> bool:
    return now_ms - review.created_at_ms > max_age_ms
