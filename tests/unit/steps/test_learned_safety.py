"""What the model says of single sentences in the alert rules: hazards no term names, and which sentence is quoted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream_app.records import Alert, Review, Scores, SentenceScores
from stream_app.steps.alert_rules import Suppressed, fired, learned_safety, negative_review
from stream_app.steps.assemble import sentiment_of
from stream_app.steps.prepare import Prepared, prepare

HOUR_MS = 3_600_000
HAZARDOUS = (
    SentenceScores(0, 16, (0.9, 0.06, 0.04), 0.1),
    SentenceScores(17, 50, (0.5, 0.4, 0.1), 0.99, ("safety",)),
)


def by_hazard(
    text: str = "I am not amused. The pin went right into my thumb.", **changes: Any
) -> Alert | Suppressed | None:
    before, sentences = changes.pop("before", None), changes.pop("sentences", HAZARDOUS)
    now_ms = changes.pop("now_ms", 1000 * HOUR_MS)
    review = replace(Review("p", "r", 0, "created", created_at_ms=1000 * HOUR_MS, text=text), **changes)
    prepared = prepare(review, None)
    assert isinstance(prepared, Prepared)
    return learned_safety(
        review,
        prepared,
        sentiment_of(Scores(0.3, 0.4, 0.3)),
        sentences,
        produced_at_ms=None,
        before=before,
        max_age_ms=48 * HOUR_MS,
        now_ms=now_ms,
    )


def test_learned_hazard_raises_a_warning_with_its_sentence() -> None:
    """Whatever the sentiment of the whole; under the id of the rule safety."""
    alert = by_hazard(rating=2)
    assert isinstance(alert, Alert)
    assert (alert.alert_id, alert.severity, alert.reason) == ("safety|p|r", "warning", "hazard")
    assert (alert.sentence, alert.safety_words) == ("The pin went right into my thumb.", ())
    assert alert.p_negative == 0.3


@pytest.mark.parametrize(("rating", "alarming"), [(None, True), (1, True), (3, True), (4, False), (5, False)])
def test_learned_hazard_alarms_up_to_three_stars(rating: int | None, alarming: bool) -> None:
    assert (by_hazard(rating=rating) is not None) is alarming


def test_where_terms_alarm_or_no_sentence_is_a_hazard_nothing_is_learned() -> None:
    """Terms have raised the alert before the model read the review."""
    assert by_hazard("It caught fire. The pin went right into my thumb.") is None
    assert by_hazard(sentences=HAZARDOUS[:1]) is None
    assert by_hazard(sentences=()) is None


def test_learned_hazard_fires_once_and_not_of_old_reviews() -> None:
    """An alert by terms of an earlier revision is the same one."""
    alert = by_hazard()
    assert isinstance(alert, Alert)
    for severity in ("warning", "critical"):
        assert by_hazard(before=fired(replace(alert, severity=severity))) == Suppressed("safety", "severity_not_raised")
    assert by_hazard(now_ms=1049 * HOUR_MS) == Suppressed("safety", "too_old")


def test_negative_review_quotes_the_most_negative_sentence_that_was_judged() -> None:
    review = Review("p", "r", 0, "created", 0, text="The lid broke. Nobody answers my letters.")
    prepared = prepare(review, None)
    assert isinstance(prepared, Prepared)
    scores = (SentenceScores(0, 14, (0.7, 0.2, 0.1), 0.0), SentenceScores(15, 41, (0.9, 0.1, 0.0), 0.0))
    sentiment = sentiment_of(Scores(0.97, 0.03, 0.0))
    options: dict[str, Any] = {"produced_at_ms": 0, "before": None, "threshold": 0.8, "max_age_ms": 1, "now_ms": 0}
    judged = negative_review(review, prepared, sentiment, scores, **options)
    by_words = negative_review(review, prepared, sentiment, **options)

    assert isinstance(judged, Alert)
    assert isinstance(by_words, Alert)
    assert (judged.sentence, by_words.sentence) == ("Nobody answers my letters.", "The lid broke.")
