"""When a product alarms, and what its alert says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stream_app.records import Alert, BadShare, EnrichedReview, Opinion, Span
from stream_app.steps.episodes import Mark, MarkState
from stream_app.steps.fold import ProductState
from stream_app.steps.hazard_clusters import newest_cluster
from stream_app.steps.hazards import speaks_of_hazard
from stream_app.steps.product_alert import MAX_QUOTES, alert_of
from stream_app.steps.product_alerts import Marks, Policy, may_change, verdict
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched

POLICY = Policy(accepted=0.0005, max_age_ms=2 * DAY_MS)
HOUR = NOW_MS // HOUR_MS


def good(number: int) -> EnrichedReview:
    return enriched(f"good {number}", created_at_ms=NOW_MS - 3 * DAY_MS - number * 5 * HOUR_MS)


def bad(number: int, **changes: Any) -> EnrichedReview:
    fields: dict[str, Any] = {"label": "negative", "rating": 1, "text": f"It broke ({number}). I am angry."}
    fields |= {"created_at_ms": NOW_MS - number * HOUR_MS, "key_sentence": None}
    return enriched(f"bad {number}", **fields | changes)


HEALTHY = [good(number) for number in range(60)]
BATCH = [bad(number) for number in range(8)]


class Product:
    """A product that is judged after each delivery, as a worker does."""

    def __init__(self, policy: Policy = POLICY, now_ms: int = NOW_MS) -> None:
        self.state = ProductState("a b")
        self.marks: Marks = {}
        self.policy = policy
        self.now_ms = now_ms
        self.outcomes: list[tuple[str, str]] = []

    def take(self, reviews: Sequence[EnrichedReview]) -> list[Alert]:
        for review in reviews:
            self.state.apply(review)
        hours = {review.created_at_ms // HOUR_MS for review in reviews}
        self.marks, findings = verdict(self.state, self.marks, hours, self.policy, self.now_ms)
        self.outcomes += [(one.rule, one.outcome) for one in findings]
        evidence = self.state.newest_sentences()
        return [alert for one in findings if (alert := alert_of(one, self.state, evidence, self.now_ms)) is not None]


def test_bad_batch_alarms_once_and_says_why() -> None:
    product = Product()
    assert product.take(HEALTHY) == []
    [alert] = product.take(BATCH)

    began = NOW_MS // HOUR_MS * HOUR_MS - 7 * HOUR_MS
    assert (alert.alert_id, alert.rule, alert.severity) == (
        "negative_spike|a%20b|2027-01-15T08",
        "negative_spike",
        "warning",
    )
    assert (alert.created_at_ms, alert.raised_at_ms, alert.review_id, alert.reason) == (
        NOW_MS,
        NOW_MS,
        None,
        "sentiment",
    )
    assert alert.window == BadShare(8, 8, began, began + 8 * HOUR_MS)
    assert alert.baseline == BadShare(60, 0, None, began)
    assert alert.sentence == "8 of 8 reviews since 2027-01-15 08:00 UTC are negative, 0 of 60 reviews before."
    assert [one.review_id for one in alert.quotes] == ["bad 0", "bad 1", "bad 2"]
    assert alert.quotes[0].sentence == "It broke (0)."
    assert product.take([bad(9), *BATCH]) == []
    assert product.outcomes == [("negative_spike", "raised"), ("rating_drop", "covered")]


def test_stars_alone_raise_rating_drop() -> None:
    [alert] = Product().take([*HEALTHY, *(replace(one, sentiment=None) for one in BATCH)])

    assert (alert.rule, alert.reason) == ("rating_drop", "stars")
    assert "are of one or two stars" in (alert.sentence or "")
    assert len(alert.quotes) == MAX_QUOTES


def test_recovery_is_reported_once_with_the_rule_and_the_counts() -> None:
    product = Product()
    product.take([*HEALTHY, *BATCH])
    later = [enriched(f"later {n}", created_at_ms=NOW_MS + (n + 1) * HOUR_MS // 2) for n in range(30)]
    product.now_ms = NOW_MS + DAY_MS
    [alert] = product.take(later)

    assert (alert.alert_id, alert.rule, alert.severity, alert.reason, alert.recovered_from) == (
        "recovered|a%20b|negative_spike|2027-01-15T08",
        "recovered",
        "info",
        "ended",
        "negative_spike",
    )
    assert (alert.window is not None and alert.window.bad, alert.quotes) == (8, ())
    assert product.take(later) == []


@pytest.mark.parametrize(
    "event",
    [
        lambda one: deletion(one.review_id),
        lambda one: replace(one, revision=1, kind="edited", rating=5, sentiment=good(0).sentiment),
    ],
)
def test_withdrawn_evidence_ends_the_alert_and_says_so(event: object) -> None:
    product = Product()
    product.take([*HEALTHY, *BATCH])
    [alert] = product.take([event(one) for one in BATCH])  # type: ignore[operator]

    assert (alert.rule, alert.reason, alert.window) == ("recovered", "withdrawn", None)
    assert {mark.state for mark in product.marks.values()} == {"over"}


def test_one_deleted_review_of_a_batch_changes_nothing() -> None:
    product = Product()
    product.take([*HEALTHY, *BATCH])

    assert product.take([deletion("bad 3")]) == []
    assert product.marks


def test_order_of_arrival_does_not_change_what_alarms() -> None:
    [forwards], [backwards] = Product().take([*HEALTHY, *BATCH]), Product().take([*BATCH[::-1], *HEALTHY[::-1]])

    assert forwards == backwards


def test_old_batch_does_not_alarm_and_is_counted_once() -> None:
    product = Product(now_ms=NOW_MS + 3 * DAY_MS)

    assert product.take([*HEALTHY, *BATCH]) == product.take(BATCH) == []
    assert product.outcomes == [("negative_spike", "too_old"), ("rating_drop", "too_old")]


def test_rule_that_was_raised_covers_the_other_that_was_noted_before() -> None:
    """The negative ones were too old to alarm when they were noted first; by now their stars alarmed."""
    product = Product()
    product.take([*HEALTHY, *BATCH])
    raised = product.marks["negative_spike"]
    product.marks = {"negative_spike": in_state(raised, "too_old"), "rating_drop": in_state(raised, "raised")}

    assert product.take([bad(8)]) == []
    assert product.marks["negative_spike"].state == "covered"


def in_state(mark: Mark, state: MarkState) -> Mark:
    return mark._replace(state=state)


def test_rebuild_finds_the_episodes_that_live_workers_found() -> None:
    """To the same hour; live workers keep the first one that they noted, when the batch's beginning comes late."""
    live, rebuilt = Product(), Product(replace(POLICY, is_rebuild=True))
    for one in [*HEALTHY, *BATCH]:
        live.take([one])

    assert rebuilt.take([*HEALTHY, *BATCH]) == []
    ends = {rule: mark.last for rule, mark in rebuilt.marks.items()}
    assert ends == {rule: mark.last for rule, mark in live.marks.items()} != {}


def in_time(reviews: str, first: int, minutes: int = 240) -> list[EnrichedReview]:
    """One each four hours from that hour of the year on: ``.`` a good one, ``x`` a bad one."""
    of_bad: dict[str, Any] = {"label": "negative", "rating": 1}
    return [
        enriched(
            f"{first} {number}",
            created_at_ms=(first * 60 + number * minutes) * 60_000 + NOW_MS,
            **(of_bad if one == "x" else {}),
        )
        for number, one in enumerate(reviews)
    ]


def test_no_edit_no_withdrawal_and_no_id_comes_twice() -> None:
    """However many reviews come: at the 65th and the 129th, more evidence is asked for."""
    for healthy in (40, 60, 90, 110, 122):
        product, alerts = Product(), []
        months = "." * healthy + "xxx.xx.x" + ".x......" * 8 + "xx.xxx.xx" + "." * 40
        for one in in_time(months, 0):
            product.now_ms = one.created_at_ms
            alerts += product.take([one])
        ids = [one.alert_id for one in alerts]
        assert len(ids) == len(set(ids))
        assert {one.reason for one in alerts} == {"sentiment", "ended"}
        assert [one.rule for one in alerts] == ["negative_spike", "recovered"] * (len(alerts) // 2)


def test_episode_that_a_newer_one_replaces_within_a_poll_is_reported_as_over() -> None:
    """Else an incident would stay open for ever."""
    product = Product()
    product.take([*HEALTHY, *BATCH])
    product.now_ms = NOW_MS + 6 * DAY_MS
    ended, raised = product.take(in_time("." * 24 + "x" * 8, 1))

    assert (ended.alert_id, ended.reason) == ("recovered|a%20b|negative_spike|2027-01-15T08", "ended")
    assert (raised.rule, ended.window) != (ended.rule, raised.window)
    assert (raised.alert_id.split("|")[0], raised.window and raised.window.bad) == ("negative_spike", 8)


def test_withdrawn_episode_is_not_reported_with_the_counts_of_an_older_one() -> None:
    product = Product()
    product.take([*HEALTHY, *BATCH])
    product.now_ms = NOW_MS + 6 * DAY_MS
    product.take(in_time("." * 24, 1))
    second = in_time("x" * 8, 100)
    assert [one.rule for one in product.take(second)] == ["negative_spike"]
    [withdrawn] = product.take([deletion(one.review_id) for one in second])

    assert (withdrawn.reason, withdrawn.window) == ("withdrawn", None)
    assert withdrawn.alert_id.endswith("|2027-01-19T19")


def hazard(review_id: str, days_ago: float, **changes: Any) -> EnrichedReview:
    fields: dict[str, Any] = {
        "rating": 1,
        "safety_words": ("fire",),
        "created_at_ms": NOW_MS - round(days_ago * DAY_MS),
    }
    return enriched(review_id, **fields | changes)


def test_two_hazards_within_two_weeks_are_a_critical_cluster() -> None:
    product = Product()
    assert product.take([hazard("r1", 10)]) == []
    [alert] = product.take([hazard("r2", 0)])

    assert (alert.rule, alert.severity, alert.window) == (
        "safety_cluster",
        "critical",
        BadShare(2, 2, (HOUR - 240) * HOUR_MS, (HOUR + 1) * HOUR_MS),
    )
    assert [one.review_id for one in alert.quotes] == ["r2", "r1"]
    assert alert.baseline is None
    assert product.take([hazard("r3", 0)]) == []


def test_two_hazards_further_apart_or_of_content_customers_are_none() -> None:
    assert Product().take([hazard("r1", 14.5), hazard("r2", 0)]) == []
    assert Product().take([hazard("r1", 1, rating=5), hazard("r2", 0)]) == []


def test_hazard_that_the_model_alone_found_does_not_count() -> None:
    """Two of a popular product in two weeks are likelier to be errors of the model than hazards."""
    learned = Opinion(Span(0, 5), "negative", 0.9, (), hazard=True)

    assert speaks_of_hazard(hazard("r1", 0))
    assert not speaks_of_hazard(hazard("r1", 0, safety_words=(), opinions=(learned,)))
    assert not speaks_of_hazard(deletion())


def test_hazard_that_is_edited_away_or_deleted_leaves_the_cluster() -> None:
    product = Product()
    product.take([hazard("r1", 1), hazard("r2", 0)])
    [alert] = product.take([hazard("r1", 1, revision=1, kind="edited", safety_words=())])

    assert (alert.rule, alert.reason, alert.recovered_from) == ("recovered", "withdrawn", "safety_cluster")
    assert product.take([deletion("r2")]) == []


def test_hazard_after_a_withdrawn_one_is_another_cluster_by_another_name() -> None:
    product = Product(replace(POLICY, max_age_ms=40 * DAY_MS))
    [first] = product.take([hazard("r1", 9), hazard("r2", 5)])
    product.take([deletion("r1")])
    [second] = product.take([hazard("r3", 0)])

    assert (second.rule, second.window and second.window.bad) == ("safety_cluster", 2)
    assert first.alert_id != second.alert_id
    assert product.take([hazard("r4", 0)]) == []


def test_cluster_is_withdrawn_although_an_older_one_is_over() -> None:
    product = Product(policy=replace(POLICY, max_age_ms=40 * DAY_MS))
    product.take([hazard("r1", 35), hazard("r2", 34)])
    product.take([enriched("calm", created_at_ms=NOW_MS - 15 * DAY_MS)])
    [raised] = product.take([hazard("r3", 1), hazard("r4", 0)])
    [alert] = product.take([deletion("r3")])

    assert (raised.rule, alert.rule, alert.reason) == ("safety_cluster", "recovered", "withdrawn")


def test_cluster_is_a_chain_of_which_the_newest_counts() -> None:
    day = 24
    assert newest_cluster([0, 10 * day, 20 * day], 20 * day) is not None
    found = newest_cluster([0, 1, 40 * day, 54 * day], 54 * day)
    assert found is not None
    assert (found.start, found.last, found.is_over) == (40 * day, 54 * day, False)
    over = newest_cluster([0, 1, 40 * day], 40 * day)
    assert over is not None
    assert over.is_over
    assert newest_cluster([], 0) is None


@pytest.mark.parametrize(
    ("review", "may"),
    [
        (enriched(), False),
        (enriched(label="negative"), True),
        (enriched(rating=2), True),
        (enriched(label=None, rating=None), False),
        (enriched(kind="edited", revision=1), True),
        (deletion(), True),
        (enriched(rating=3, safety_words=("fire",)), True),
    ],
)
def test_only_what_may_begin_an_episode_has_its_product_judged(review: EnrichedReview, may: bool) -> None:
    assert may_change(review) is may
