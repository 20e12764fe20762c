"""When one review raises an alert, how grave it is, and under which id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream_app.records import Alert, Review, Scores, Severity
from stream_app.steps.alert_ids import alert_id_of, without_severity
from stream_app.steps.alert_rules import (
    Fired,
    Suppressed,
    fired,
    is_alert_candidate,
    negative_by_stars,
    negative_review,
    safety,
    severity_of,
)
from stream_app.steps.assemble import sentiment_of
from stream_app.steps.prepare import Prepared, prepare

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
    assert is_alert_candidate(review, prepared, produced_at_ms=None, max_age_ms=48 * HOUR_MS, now_ms=now_ms) is expected
    fresh = is_alert_candidate(review, prepared, produced_at_ms=now_ms, max_age_ms=48 * HOUR_MS, now_ms=now_ms)
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
    before = fired(raised(0.85))
    worse = raised(0.99, revision=1, kind="edited", before=before)

    assert worse.severity == "warning"
    assert worse.alert_id == raised().alert_id


@pytest.mark.parametrize(
    ("before", "p_negative", "text"),
    [
        ("critical", 0.99, "It broke."),
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
    """In int8 one text's P(negative) differs by up to 0.0085 with the texts of its micro-batch."""
    outcome = alert_for(p_negative, rating=1, before=Fired("info", True))

    assert (outcome.reason if isinstance(outcome, Suppressed) else None) == reason


def test_other_stars_or_a_safety_word_raise_the_severity_without_a_margin() -> None:
    stars_contradicted = fired(raised(0.951, rating=4))
    assert stars_contradicted == Fired("info", stars_agree=False)

    assert raised(0.951, rating=1, before=stars_contradicted).severity == "warning"
    assert raised(0.8, "It caught fire.", rating=4, before=Fired("warning", True)).severity == "critical"


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


HAZARD = "Caught fire while we slept. The fire brigade had to come."


def ready(text: str, rating: int | None) -> tuple[Review, Prepared]:
    review = Review("p", "r", 0, "created", created_at_ms=1000 * HOUR_MS, text=text, rating=rating)
    prepared = prepare(review, None)
    assert isinstance(prepared, Prepared)
    return review, prepared


def hazard(text: str, rating: int | None, before: Fired | None = None, age_ms: int = 0) -> Alert | Suppressed | None:
    now_ms = 1000 * HOUR_MS + age_ms
    return safety(*ready(text, rating), produced_at_ms=None, before=before, max_age_ms=48 * HOUR_MS, now_ms=now_ms)


def by_stars(text: str, rating: int | None, before: Fired | None = None) -> Alert | Suppressed | None:
    return negative_by_stars(
        *ready(text, rating),
        produced_at_ms=None,
        before=before,
        max_age_ms=48 * HOUR_MS,
        now_ms=1000 * HOUR_MS,
    )


@pytest.mark.parametrize(
    "text",
    [
        HAZARD,
        "The toaster caught fire on the second morning. Flames came out of both slots.",
        "Le grille-pain a pris feu, des flammes sortaient des deux fentes.",
        "半夜起火了，消防队都来了。",
        "We found a piece of glass in the jar.",
        "Hives all over my arms after one use.",
        "The brakes failed on a hill.",
        "The battery is swollen.",
    ],
)
@pytest.mark.parametrize("rating", [1, 2, 3, None])
def test_hazard_is_critical_without_a_word_of_the_model(text: str, rating: int | None) -> None:
    """Reviews of fires raised no alert: P(negative) was 0.33 and 0.43, and the rule asked for 0.8 first."""
    alert = hazard(text, rating)

    assert isinstance(alert, Alert)
    assert (alert.alert_id, alert.rule, alert.severity) == ("safety|p|r", "safety", "critical")
    assert (alert.p_negative, alert.reason) == (None, "terms")
    assert alert.safety_words


@pytest.mark.parametrize(
    ("text", "rating"), [(HAZARD, 4), (HAZARD, 5), ("I use it with my Fire Stick.", 1), ("It never caught fire.", 1)]
)
def test_praise_and_look_alikes_are_no_hazard(text: str, rating: int) -> None:
    assert hazard(text, rating) is None


def test_hazard_alarms_once_and_not_when_it_is_old() -> None:
    assert hazard(HAZARD, 1, before=Fired("critical", True)) == Suppressed("safety", "severity_not_raised")
    assert hazard(HAZARD, 1, age_ms=48 * HOUR_MS + 1) == Suppressed("safety", "too_old")


def test_one_review_raises_one_alert() -> None:
    """The rule safety is the graver of the two."""
    assert suppressed_by(0.99, HAZARD, rating=1) == "safety_raised"
    assert by_stars(HAZARD, 1) == Suppressed("negative_review", "safety_raised")
    assert raised(0.99, HAZARD, rating=4).severity == "critical"


@pytest.mark.parametrize(("rating", "alarming"), [(1, True), (2, True), (3, False), (5, False), (None, False)])
def test_review_that_no_model_reads_alarms_by_its_stars(rating: int | None, alarming: bool) -> None:
    alert = by_stars("Nie działa.", rating)

    assert (alert is not None) is alarming
    if isinstance(alert, Alert):
        assert (alert.rule, alert.severity, alert.reason) == ("negative_review", "warning", "stars")
        assert alert.p_negative is None
        assert by_stars("Nie działa.", rating, before=fired(alert)) == Suppressed(
            "negative_review", "severity_not_raised"
        )
