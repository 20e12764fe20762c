"""What every ports.SummaryStore finds of products that turn bad: once, whatever the order, until the broker has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream_app.ports import SummaryStore
from stream_app.records import EnrichedReview, Opinion, Span
from stream_app.steps.hazards import MAX_HAZARDS
from tests.behaviour.bad_batch import ALERT_ID, BATCH, HEALTHY, bad, judge, raised, take
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched
from tests.behaviour.running import Run


def test_episode_alarms_once(run: Run, store: SummaryStore) -> None:
    assert take(run, store, HEALTHY) == []
    assert raised(take(run, store, BATCH)) == [ALERT_ID]
    assert raised(take(run, store, [bad(8), bad(9), *BATCH])) == []
    assert raised(judge(run, store, HEALTHY)) == []


@pytest.mark.parametrize("size", [1, 7, 68])
def test_episode_alarms_once_however_it_is_polled(run: Run, store: SummaryStore, size: int) -> None:
    deliveries = [*HEALTHY, *BATCH[::-1]]
    found = [
        name
        for start in range(0, len(deliveries), size)
        for name in raised(take(run, store, deliveries[start : start + size]))
    ]
    assert found == [ALERT_ID]


def test_alert_is_returned_for_duplicates_until_it_is_cleared(run: Run, store: SummaryStore) -> None:
    [judged] = take(run, store, [*HEALTHY, *BATCH])
    [applied] = run(store.apply([BATCH[0]], NOW_MS))
    assert applied.outbox == judged.outbox
    assert [alert_id for alert_id, _ in judged.outbox] == [ALERT_ID]

    run(store.clear_outbox("p", [ALERT_ID]))
    [applied] = run(store.apply([BATCH[0]], NOW_MS))
    assert applied.outbox == ()


def test_process_that_ends_between_applying_and_judging_loses_no_alert(run: Run, store: SummaryStore) -> None:
    run(store.apply([*HEALTHY, *BATCH], NOW_MS))
    assert [applied.changed for applied in run(store.apply(BATCH, NOW_MS))] == [False] * 8

    assert raised(judge(run, store, BATCH)) == [ALERT_ID]


def test_recovery_and_withdrawal_are_reported_once(run: Run, store: SummaryStore) -> None:
    take(run, store, [*HEALTHY, *BATCH])
    good = [enriched(f"later {n}", created_at_ms=NOW_MS + n * HOUR_MS // 2) for n in range(30)]
    now_ms = NOW_MS + DAY_MS
    assert raised(take(run, store, good, now_ms)) == ["recovered|p|negative_spike|2027-01-15T08"]
    assert raised(take(run, store, good, now_ms)) == []


def test_deleted_batch_ends_the_alert(run: Run, store: SummaryStore) -> None:
    take(run, store, [*HEALTHY, *BATCH])
    run(store.clear_outbox("p", [ALERT_ID]))

    [judged] = take(run, store, [deletion(one.review_id) for one in BATCH])
    assert [(one.rule, one.reason) for one in judged.raised] == [("recovered", "withdrawn")]


def test_products_alarm_apart(run: Run, store: SummaryStore) -> None:
    other = [replace(one, product_id="q {1}") for one in [*HEALTHY, *BATCH]]
    judged = take(run, store, [*HEALTHY, *BATCH, *other])

    assert sorted(raised(judged)) == [ALERT_ID, "negative_spike|q%20%7B1%7D|2027-01-15T08"]


def test_too_old_batch_does_not_alarm_and_says_why(run: Run, store: SummaryStore) -> None:
    [judged] = take(run, store, [*HEALTHY, *BATCH], NOW_MS + 3 * DAY_MS)

    assert (judged.raised, judged.suppressed) == ((), (("negative_spike", "too_old"), ("rating_drop", "too_old")))
    assert judge(run, store, BATCH, NOW_MS + 3 * DAY_MS) == []


def hazard(review_id: str, days_ago: int = 0, **changes: Any) -> EnrichedReview:
    fields: dict[str, Any] = {"rating": 2, "safety_words": ("fire",), "created_at_ms": NOW_MS - days_ago * DAY_MS}
    return enriched(review_id, **fields | changes)


def test_two_hazards_are_a_cluster_and_an_edited_one_is_none(run: Run, store: SummaryStore) -> None:
    assert take(run, store, [hazard("r 1", 13), hazard("r3", 30)]) == []
    [judged] = take(run, store, [hazard("r2")])
    assert [alert.rule for alert in judged.raised] == ["safety_cluster"]
    assert [one.review_id for one in judged.raised[0].quotes] == ["r2", "r 1"]

    run(store.clear_outbox("p", [judged.raised[0].alert_id]))
    [judged] = take(run, store, [hazard("r 1", 13, revision=1, kind="edited", safety_words=())])
    assert [(one.rule, one.recovered_from) for one in judged.raised] == [("recovered", "safety_cluster")]
    assert take(run, store, [deletion("r2")]) == []


def test_oldest_of_many_hazards_is_dropped(run: Run, store: SummaryStore) -> None:
    """A product has no more of them than 64, and none is counted that was edited or deleted."""
    same_hour = [hazard(f"{number:02}", 13, rating=3) for number in range(MAX_HAZARDS)]
    run(store.apply(same_hour, NOW_MS))
    later = [hazard("ä", 13, rating=3), deletion("63"), deletion("ä"), hazard("older", 14, rating=3)]
    run(store.apply(later, NOW_MS))
    [judged] = take(run, store, [hazard("new", rating=3)])
    [alert] = judged.raised

    assert alert.window is not None
    assert alert.window.bad == MAX_HAZARDS, "62 of the first ones, an older one and the new one"


def test_late_good_reviews_may_begin_an_episode(run: Run, store: SummaryStore) -> None:
    """What was usual before makes the same bad reviews a spike."""
    batch = [bad(number) for number in range(5)]
    assert take(run, store, batch) == []
    assert raised(take(run, store, [enriched(one.review_id, created_at_ms=one.created_at_ms) for one in HEALTHY])) != []


def test_cluster_quotes_the_sentence_about_the_hazard(run: Run, store: SummaryStore) -> None:
    text = "The colour looks dull and cheap. It arrived in a week. The charger caught fire on my desk."
    key = Span(text.index("The charger"), len(text))
    dull = Opinion(Span(0, 32), "negative", 0.9, ("look",))
    burnt = [hazard(one, text=text, key_sentence=key, opinions=(dull,)) for one in ("r1", "r2")]
    [judged] = take(run, store, burnt)
    assert {one.sentence for one in judged.raised[0].quotes} == {"The charger caught fire on my desk."}

    run(store.record_alerts(judged.raised))
    assert run(store.recent_alerts(5)) == list(judged.raised)


def test_quotes_of_recent_alerts_are_what_their_reviews_say_now(run: Run, store: SummaryStore) -> None:
    [judged] = take(run, store, [*HEALTHY, *BATCH])
    run(store.record_alerts(judged.raised))
    [shown] = run(store.recent_alerts(5))
    assert shown == judged.raised[0]
    assert [one.sentence for one in shown.quotes] == ["It broke (0).", "It broke (1).", "It broke (2)."]

    run(store.apply([bad(0, revision=1, kind="edited", text="Never mind."), deletion("bad 1")], NOW_MS))
    [shown] = run(store.recent_alerts(5))
    assert [one.sentence for one in shown.quotes] == [None, None, "It broke (2)."]


def test_aspect_that_turns_bad_alarms_once_and_its_deletion_ends_it(run: Run, store: SummaryStore) -> None:
    """The marks of aspects are kept like those of products."""
    text = "It came late. I like it."
    late = [
        enriched(
            f"late {number}",
            created_at_ms=NOW_MS - number * HOUR_MS // 4,
            text=text,
            key_sentence=None,
            opinions=(Opinion(Span(0, 13), "negative", 0.9, ("delivery",)),),
        )
        for number in range(24)
    ]
    alert_id = "negative_spike:delivery|p|2027-01-15T00"
    assert take(run, store, HEALTHY) == []
    [judged] = take(run, store, late)
    assert [(one.alert_id, one.aspect) for one in judged.raised] == [(alert_id, "delivery")]
    assert raised(take(run, store, late)) == []

    run(store.record_alerts(judged.raised))
    [shown] = run(store.recent_alerts(5))
    assert [one.sentence for one in shown.quotes] == ["It came late."] * 3

    run(store.clear_outbox("p", [alert_id]))
    assert raised(take(run, store, [deletion(one.review_id) for one in late])) == [
        "recovered|p|negative_spike:delivery|2027-01-15T00"
    ]
