"""When a review is alarming, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

from stream_app.records import (
    SEVERITIES,
    Alert,
    Reason,
    Review,
    Rule,
    SentenceScores,
    Sentiment,
    Severity,
    value,
)
from stream_app.steps.alert_ids import alert_id_of
from stream_app.steps.opinions import hazard_in, weightiest, words_of
from stream_app.steps.prepare import Prepared

_SURE = 0.95  # P(negative) from which one or two stars, or none given, make it a warning
_SURER = 0.02  # how much more P(negative) it takes to raise an alert that fired to a warning
_BAD = 2  # stars up to which a review alarms that no model reads
_CONTENT = 4  # stars from which few reviews raise alerts
_RULE: Rule = "negative_review"

SuppressedBy = Literal["too_old", "severity_not_raised", "within_margin", "safety_raised"]


@value
class Fired:
    """What is known of an alert that fired. ``stars_agree``: its review's stars allowed a warning, or it had none."""

    severity: Severity
    stars_agree: bool


@value
class Suppressed:
    """An alert that does not fire although its review is negative enough, and why.

    too_old: the review is. severity_not_raised: it fired before, no less gravely. within_margin: it fired before, and
    P(negative) is graver now by no more than the model's noise. safety_raised: the rule safety alarms for this review.
    """

    rule: Rule
    reason: SuppressedBy


def is_alert_candidate(
    review: Review, prepared: Prepared, *, produced_at_ms: int | None, max_age_ms: int, now_ms: int
) -> bool:
    """Is an alert to be expected, before a model has read the review? By its stars, or their absence, and its words."""
    alarming = review.rating is None or review.rating < _CONTENT or bool(prepared.safety_words)
    return alarming and not _is_old(review, produced_at_ms, max_age_ms, now_ms)


def is_negative(sentiment: Sentiment, threshold: float) -> bool:
    """Is P(negative) at least ``threshold``? Only then ``negative_review`` can fire."""
    return sentiment.scores[0] >= threshold


def speaks_of_hazard(review: Review, prepared: Prepared) -> bool:
    """Is it for the rule ``safety``: safety terms, with at most three stars or none? Its sentiment does not matter."""
    return bool(prepared.safety_words) and _may_be_hazardous(review)


def safety(
    review: Review,
    prepared: Prepared,
    *,
    produced_at_ms: int | None,
    before: Fired | None,
    max_age_ms: int,
    now_ms: int,
) -> Alert | Suppressed | None:
    """The critical alert for a review that speaks of a hazard; None for others. It needs words and stars alone.

    ``before``: how its alert fired last, if it did: there is no higher severity, so it fires once. Age as in
    ``negative_review``.
    """
    if not speaks_of_hazard(review, prepared):
        return None
    if suppressed := _safety_suppressed(review, "critical", produced_at_ms, before, max_age_ms, now_ms):
        return suppressed
    return _alert("safety", "critical", review, prepared, None, "terms", now_ms)


def learned_safety(
    review: Review,
    prepared: Prepared,
    sentiment: Sentiment,
    sentences: Sequence[SentenceScores],
    *,
    produced_at_ms: int | None,
    before: Fired | None,
    max_age_ms: int,
    now_ms: int,
) -> Alert | Suppressed | None:
    """The warning for a review of which a sentence speaks of a hazard that no term names; None for others.

    It has that sentence. A review with terms has its alert already. ``before`` and age as in ``safety``. No more than a
    warning: of five such reviews one speaks of a hazard indeed (decision 51).
    """
    hazard = hazard_in(sentences) if _may_be_hazardous(review) and not prepared.safety_words else None
    if hazard is None:
        return None
    if suppressed := _safety_suppressed(review, "warning", produced_at_ms, before, max_age_ms, now_ms):
        return suppressed
    alert = _alert("safety", "warning", review, prepared, sentiment.scores[0], "hazard", now_ms)
    return replace(alert, sentence=words_of(prepared, hazard))


def _safety_suppressed(
    review: Review, severity: Severity, produced_at_ms: int | None, before: Fired | None, max_age_ms: int, now_ms: int
) -> Suppressed | None:
    if _is_old(review, produced_at_ms, max_age_ms, now_ms):
        return Suppressed("safety", "too_old")
    if before is not None and not is_graver(severity, before.severity):
        return Suppressed("safety", "severity_not_raised")
    return None


def _may_be_hazardous(review: Review) -> bool:
    """By its stars: content customers seldom speak of one."""
    return review.rating is None or review.rating < _CONTENT


def negative_by_stars(
    review: Review,
    prepared: Prepared,
    *,
    produced_at_ms: int | None,
    before: Fired | None,
    max_age_ms: int,
    now_ms: int,
) -> Alert | Suppressed | None:
    """``negative_review`` of a review that no model reads: a warning for one or two stars, None for others."""
    if review.rating is None or review.rating > _BAD:
        return None
    if _is_old(review, produced_at_ms, max_age_ms, now_ms):
        return Suppressed(_RULE, "too_old")
    if speaks_of_hazard(review, prepared):
        return Suppressed(_RULE, "safety_raised")
    if before is not None and not is_graver("warning", before.severity):
        return Suppressed(_RULE, "severity_not_raised")
    return _alert(_RULE, "warning", review, prepared, None, "stars", now_ms)


def negative_review(
    review: Review,
    prepared: Prepared,
    sentiment: Sentiment,
    sentences: Sequence[SentenceScores] = (),
    *,
    produced_at_ms: int | None,
    before: Fired | None,
    threshold: float,
    max_age_ms: int,
    now_ms: int,
) -> Alert | Suppressed | None:
    """The alert for a review whose P(negative) is at least ``threshold``; None for others.

    Suppressed where the review is old: where the newest of its dates and ``produced_at_ms`` (its record's timestamp;
    None: unusable) lies more than ``max_age_ms`` back. An edit today of an old review alarms.

    ``before``: how its alert fired last, if it did. It fires again only at a higher severity. Where P(negative) alone
    raises that, not a safety word nor other stars, it has to exceed the bound by 0.02: the model's answer to one text
    depends on the texts computed with it (in int8 by up to 0.0085), and a redelivered review must not alarm again by
    that. Nor does it fire where the rule ``safety`` alarms: one review, one alert.
    """
    if not is_negative(sentiment, threshold):
        return None
    if _is_old(review, produced_at_ms, max_age_ms, now_ms):
        return Suppressed(_RULE, "too_old")
    if speaks_of_hazard(review, prepared):
        return Suppressed(_RULE, "safety_raised")
    p_negative, words = sentiment.scores[0], prepared.safety_words
    severity = severity_of(p_negative, review.rating, words)
    if before is not None:
        if not is_graver(severity, before.severity):  # guarantee: alert-fires-again-only-when-worse
            return Suppressed(_RULE, "severity_not_raised")
        if not words and before.stars_agree and p_negative < _SURE + _SURER:  # guarantee: noise-raises-no-severity
            return Suppressed(_RULE, "within_margin")
    return _alert(_RULE, severity, review, prepared, p_negative, "sentiment", now_ms, sentences)


def _alert(
    rule: Rule,
    severity: Severity,
    review: Review,
    prepared: Prepared,
    p_negative: float | None,
    reason: Reason,
    now_ms: int,
    sentences: Sequence[SentenceScores] = (),
) -> Alert:
    span = weightiest(prepared, sentences)
    return Alert(
        alert_id=alert_id_of(review, rule),
        rule=rule,
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
        reason=reason,
    )


def severity_of(p_negative: float, rating: int | None, safety_words: tuple[str, ...]) -> Severity:
    """critical: a safety word. warning: surely negative, and the stars do not contradict. info: anything else."""
    if safety_words:
        return "critical"
    return "warning" if p_negative >= _SURE and _stars_agree(rating) else "info"


def fired(alert: Alert) -> Fired:
    """What is to be remembered of an alert that fires."""
    return _fired(alert.severity, _stars_agree(alert.rating))


@cache  # many are remembered, few differ
def _fired(severity: Severity, stars_agree: bool) -> Fired:
    return Fired(severity, stars_agree)


def is_graver(severity: Severity, other: Severity) -> bool:
    """Is ``severity`` above ``other``?"""
    return SEVERITIES.index(severity) > SEVERITIES.index(other)


def _stars_agree(rating: int | None) -> bool:
    return rating is None or rating <= 2


def _is_old(review: Review, produced_at_ms: int | None, max_age_ms: int, now_ms: int) -> bool:
    # guarantee: edit-of-an-old-review-alarms
    newest_ms = max(review.created_at_ms, review.updated_at_ms or 0, produced_at_ms or 0)
    return now_ms - newest_ms > max_age_ms
