"""When one review raises an alert, how grave it is, and under which id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream_app.records import Alert, Review, Scores
from stream_app.steps.alert_rules import may_alarm, negative_review, severity_of
from stream_app.steps.enrich import Prepared, prepare, sentiment_of

HOUR_MS = 3_600_000


def alert_for(
    p_negative: float = 0.97, text: str = "It looks nice. The lid broke and it is useless.", **changes: Any
) -> Alert | None:
    now_ms = changes.pop("now_ms", 1000 * HOUR_MS)
    review = replace(Review("p", "r", 0, "created", created_at_ms=1000 * HOUR_MS, text=text), **changes)
    prepared = prepare(review, None)
    assert isinstance(prepared, Prepared)
    sentiment = sentiment_of(Scores(p_negative, 1 - p_negative, 0.0))
    return negative_review(review, prepared, sentiment, threshold=0.8, max_age_ms=48 * HOUR_MS, now_ms=now_ms)


def raised(*arguments: Any, **changes: Any) -> Alert:
    alert = alert_for(*arguments, **changes)
    assert alert is not None
    return alert


@pytest.mark.parametrize(("p_negative", "alarming"), [(0.8, True), (0.7999, False), (1.0, True), (0.0, False)])
def test_threshold_itself_alarms(p_negative: float, alarming: bool) -> None:
    assert (alert_for(p_negative) is not None) is alarming


@pytest.mark.parametrize(("age_ms", "alarming"), [(0, True), (48 * HOUR_MS, True), (48 * HOUR_MS + 1, False)])
def test_old_reviews_raise_none(age_ms: int, alarming: bool) -> None:
    assert (alert_for(now_ms=1000 * HOUR_MS + age_ms) is not None) is alarming


@pytest.mark.parametrize(
    ("p_negative", "rating", "safety_words", "severity"),
    [
        (0.85, 5, ("fire",), "critical"),
        (0.99, None, ("fire", "burn"), "critical"),
        (0.95, 1, (), "warning"),
        (0.95, 2, (), "warning"),
        (0.95, None, (), "warning"),
        (0.95, 3, (), "info"),
        (0.99, 5, (), "info"),
        (0.9499, 1, (), "info"),
    ],
)
def test_severity(p_negative: float, rating: int | None, safety_words: tuple[str, ...], severity: str) -> None:
    assert severity_of(p_negative, rating, safety_words) == severity


@pytest.mark.parametrize(
    ("rating", "text", "age_ms", "expected"),
    [
        (1, "Broke.", 0, True),
        (3, "So so.", 0, True),
        (None, "So so.", 0, True),
        (4, "Good.", 0, False),
        (5, "Good.", 0, False),
        (5, "It caught fire.", 0, True),
        (1, "Broke.", 48 * HOUR_MS, True),
        (1, "Broke.", 48 * HOUR_MS + 1, False),
    ],
)
def test_few_stars_none_or_safety_words_make_an_alert_likely(
    rating: int | None, text: str, age_ms: int, expected: bool
) -> None:
    now_ms = 1000 * HOUR_MS
    review = Review("p", "r", 0, "created", created_at_ms=now_ms - age_ms, text=text, rating=rating)
    prepared = prepare(review, None)
    assert isinstance(prepared, Prepared)
    assert may_alarm(review, prepared, max_age_ms=48 * HOUR_MS, now_ms=now_ms) is expected


def test_same_review_has_the_same_id_at_any_time() -> None:
    assert raised().alert_id == raised(now_ms=1001 * HOUR_MS).alert_id == "negative_review|p|r|warning"


def test_edit_that_makes_it_worse_has_another_id() -> None:
    worse = raised(text="It broke and then caught fire.", revision=1, kind="edited")

    assert worse.severity == "critical"
    assert worse.alert_id != raised().alert_id


def test_ids_with_separators_stay_apart() -> None:
    one = raised(product_id="a|b", review_id="c")
    other = raised(product_id="a", review_id="b|c")

    assert one.alert_id != other.alert_id


def test_alert_carries_the_sentence_that_weighs_most() -> None:
    alert = raised(rating=1)

    assert alert.sentence == "The lid broke and it is useless."
    assert (alert.rule, alert.product_id, alert.review_id, alert.rating) == ("negative_review", "p", "r", 1)
    assert alert.p_negative == 0.97


def test_alert_shows_no_private_data() -> None:
    assert raised(text="It broke, write to me@example.com").sentence == "It broke, write to [email]"
