"""When one review raises an alert, how grave it is, and under which id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream_app.records import Alert, Review, Scores, Severity
from stream_app.steps.alert_rules import (
    Fired,
    Suppressed,
    alert_id_of,
    fired,
    may_alarm,
    negative_review,
    severity_of,
    without_severity,
)
from stream_app.steps.enrich import Prepared, prepare, sentiment_of

HOUR_MS = 3_600_000


def alert_for(
    p_negative: float = 0.97, text: str = "It looks nice. The lid broke and it is useless.", **changes: Any
) -> Alert | Suppressed | None:
    now_ms, produced_at_ms = changes.pop("now_ms", 1000 * HOUR_MS), changes.pop("produced_at_ms", None)
    before = changes.pop("before", None)
    review = replace(Review("p", "r", 0, "created", created_at_ms=1000 * HOUR_MS, text=text), **changes)
    prepared = prepare(review, None)
    assert isinstance(prepared, Prepared)
    sentiment = sentiment_of(Scores(p_negative, 1 - p_negative, 0.0))
    return negative_review(
        review,
        prepared,
        sentiment,
        produced_at_ms=produced_at_ms,
        before=before,
        threshold=0.8,
        max_age_ms=48 * HOUR_MS,
        now_ms=now_ms,
    )


def raised(*arguments: Any, **changes: Any) -> Alert:
    alert = alert_for(*arguments, **changes)
    assert isinstance(alert, Alert), alert
    return alert


def suppressed_by(*arguments: Any, **changes: Any) -> str:
    outcome = alert_for(*arguments, **changes)
    assert isinstance(outcome, Suppressed), outcome
    return outcome.reason


@pytest.mark.parametrize(("p_negative", "alarming"), [(0.8, True), (0.7999, False), (1.0, True), (0.0, False)])
def test_threshold_itself_alarms(p_negative: float, alarming: bool) -> None:
    assert (alert_for(p_negative) is not None) is alarming


@pytest.mark.parametrize(("age_ms", "alarming"), [(0, True), (48 * HOUR_MS, True), (48 * HOUR_MS + 1, False)])
def test_old_reviews_raise_none(age_ms: int, alarming: bool) -> None:
    outcome = alert_for(now_ms=1000 * HOUR_MS + age_ms)
    assert isinstance(outcome, Alert) if alarming else outcome == Suppressed("negative_review", "too_old")


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
    assert may_alarm(review, prepared, produced_at_ms=None, max_age_ms=48 * HOUR_MS, now_ms=now_ms) is expected
    fresh = may_alarm(review, prepared, produced_at_ms=now_ms, max_age_ms=48 * HOUR_MS, now_ms=now_ms)
    assert fresh is (expected or age_ms > 48 * HOUR_MS)


def test_same_review_has_the_same_id_at_any_time() -> None:
    assert raised().alert_id == raised(now_ms=1001 * HOUR_MS).alert_id == "negative_review|p|r"


@pytest.mark.parametrize("newest", ["updated_at_ms", "produced_at_ms"])
def test_edit_today_of_an_old_review_alarms(newest: str) -> None:
    """Its age was that of its first version: nothing fired, and nothing said so."""
    year_later = 1000 * HOUR_MS + 365 * 24 * HOUR_MS

    assert suppressed_by(now_ms=year_later) == "too_old"
    raised(now_ms=year_later, **{newest: year_later - 48 * HOUR_MS})
    assert suppressed_by(now_ms=year_later, **{newest: year_later - 48 * HOUR_MS - 1}) == "too_old"


def test_edit_that_makes_it_worse_fires_again_under_the_same_id() -> None:
    before = fired(raised())
    worse = raised(text="It broke and then caught fire.", revision=1, kind="edited", before=before)

    assert worse.severity == "critical"
    assert worse.alert_id == raised().alert_id


@pytest.mark.parametrize(
    ("before", "p_negative", "text"),
    [
        ("critical", 0.99, "It broke."),
        ("critical", 0.99, "It caught fire."),
        ("warning", 0.99, "It broke."),
        ("warning", 0.85, "It broke."),
        ("info", 0.85, "It broke."),
    ],
)
def test_alert_never_fires_again_at_the_same_or_a_lower_severity(
    before: Severity, p_negative: float, text: str
) -> None:
    """An edit from critical to warning alarmed again."""
    assert suppressed_by(p_negative, text, before=Fired(before, True)) == "severity_not_raised"


@pytest.mark.parametrize(("p_negative", "reason"), [(0.95, "within_margin"), (0.9699, "within_margin"), (0.97, None)])
def test_noise_of_the_model_makes_no_alert_fire_again(p_negative: float, reason: str | None) -> None:
    """In int8 one text's P(negative) differs by up to 0.0085 with the texts beside it."""
    outcome = alert_for(p_negative, rating=1, before=Fired("info", True))

    assert (outcome.reason if isinstance(outcome, Suppressed) else None) == reason


def test_other_stars_or_a_safety_word_raise_the_severity_without_a_margin() -> None:
    stars_contradicted = fired(raised(0.951, rating=4))
    assert stars_contradicted == Fired("info", stars_agree=False)

    assert raised(0.951, rating=1, before=stars_contradicted).severity == "warning"
    assert raised(0.8, "It caught fire.", before=Fired("warning", True)).severity == "critical"


def test_id_of_version_0_1_is_read_without_its_severity() -> None:
    review = Review("a|b", "critical", 0, "created", 0)

    assert without_severity(f"{alert_id_of(review)}|warning") == alert_id_of(review)
    assert without_severity(alert_id_of(review)) == alert_id_of(review)
    assert without_severity("negative_spike|p|battery|warning") == "negative_spike|p|battery|warning"


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
