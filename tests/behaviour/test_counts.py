"""What every ports.SummaryStore counts: each review once, whatever the order of its events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_app.ports import SummaryStore
from stream_app.records import FINAL_REVISION, Counts, EnrichedReview
from stream_app.steps.fold import ProductState
from stream_app.steps.product_summary import summarize
from tests.behaviour.enriched import DAY_MS, NOW_MS, deletion, enriched, events, without_contradictions
from tests.behaviour.running import Run
from tests.behaviour.store_calls import apply, claim, read, text_of

ODD_IDS = ["{", "}", "{}", "a{b}c", "a:b", "100%", "%7B", "käse 🧀", "../..", "*", "a\\b", "x" * 128, "é" * 128]


def test_redelivered_review_is_counted_once(run: Run, store: SummaryStore) -> None:
    assert apply(run, store, enriched(), enriched()) == [True, False]
    assert apply(run, store, enriched()) == [False]

    expected = Counts(reviews=1, positive=1, stars=(0, 0, 0, 0, 1), p_negative_sum=123)
    assert read(run, store).windows == dict.fromkeys(("24h", "7d", "30d", "all"), expected)


def test_equal_version_with_other_content_leaves_the_first_standing(run: Run, store: SummaryStore) -> None:
    assert apply(run, store, enriched(), enriched(label="negative", rating=1)) == [True, False]

    assert read(run, store).windows["all"].positive == 1


def test_review_published_again_is_not_a_newer_review(run: Run, store: SummaryStore) -> None:
    """Without created_at it is dated by its record: the first one's date stands, and no day is dropped for it."""
    old = enriched(created_at_ms=NOW_MS - 20 * DAY_MS)
    assert apply(run, store, old, replace(old, created_at_ms=NOW_MS + 20 * DAY_MS)) == [True, False]

    summary = read(run, store)
    assert summary.last_review_at_ms == old.created_at_ms
    assert summary.windows["30d"].reviews == 1


def test_edit_replaces_what_it_edits(run: Run, store: SummaryStore) -> None:
    edit = enriched(revision=1, kind="edited", rating=1, label="negative", created_at_ms=NOW_MS - 2 * DAY_MS)
    apply(run, store, enriched(), edit)

    summary = read(run, store)
    assert summary.windows["24h"] == Counts()
    assert summary.windows["7d"] == summary.windows["all"]
    assert summary.windows["all"] == Counts(reviews=1, negative=1, stars=(1, 0, 0, 0, 0), p_negative_sum=9000)


def test_edits_out_of_order_end_with_the_newest(run: Run, store: SummaryStore) -> None:
    edits = [enriched(revision=revision, rating=star) for revision, star in ((3, 3), (1, 1), (2, 2))]

    assert apply(run, store, *edits) == [True, False, False]
    assert read(run, store).windows["all"].stars == (0, 0, 1, 0, 0)
    assert run(store.revisions("p", ["r1"])) == [3]


def test_deletion_removes_a_review_and_its_sentence(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"), enriched("r2"), deletion("r1"))

    assert read(run, store).windows["all"].reviews == 1
    _, sentences = run(store.evidence("p"))
    assert [item.review_id for item in sentences] == ["r2"]


def test_review_that_comes_after_its_deletion_stays_out(run: Run, store: SummaryStore) -> None:
    assert apply(run, store, deletion(revision=FINAL_REVISION), enriched(), enriched(revision=5)) == [
        True,
        False,
        False,
    ]

    assert read(run, store).windows["all"] == Counts()
    assert run(store.revisions("p", ["r1", "never seen"])) == [FINAL_REVISION, None]


def test_review_that_was_deleted_may_come_again_with_a_larger_revision(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched(), deletion(revision=1), enriched(revision=2))

    assert read(run, store).windows["all"].reviews == 1


def test_better_models_replace_the_same_revision(run: Run, store: SummaryStore) -> None:
    better = enriched(label="negative", enrichment_version=2)

    assert apply(run, store, enriched(label="neutral"), better) == [True, True]
    assert read(run, store).windows["all"].negative == 1


def test_windows_move_with_the_readers_clock(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("today"), enriched("last week", created_at_ms=NOW_MS - 6 * DAY_MS))

    def seen(days_later: int) -> list[int]:
        return [counts.reviews for counts in read(run, store, NOW_MS + days_later * DAY_MS).windows.values()]

    assert [seen(days) for days in (0, 3, 20, 26, 40)] == [
        [1, 2, 2, 2],
        [0, 1, 2, 2],
        [0, 0, 2, 2],
        [0, 0, 1, 2],
        [0, 0, 0, 2],
    ]


def test_review_without_a_sentiment_is_unknown(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched(label=None, rating=None))

    summary = read(run, store)
    assert summary.windows["all"] == Counts(reviews=1, unknown=1)
    assert (summary.windows["all"].mean_rating, summary.windows["all"].net_sentiment) == (None, None)


@pytest.mark.parametrize("odd", ODD_IDS)
def test_ids_may_hold_any_character(run: Run, store: SummaryStore, odd: str) -> None:
    apply(run, store, enriched(odd, odd), enriched("other", "p"))

    assert read(run, store, product_id=odd).windows["all"].reviews == 1
    assert run(store.revisions(odd, [odd])) == [0]
    assert sorted(run(store.product_ids(10))) == sorted({odd, "p"})
    assert claim(run, store) == sorted({odd, "p"})
    assert run(store.write_text(odd, text_of(odd), {odd: 0}))


def test_unknown_product_reads_as_none(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched())

    known, unknown = run(store.read(["p", "unknown"], NOW_MS))
    assert known is not None
    assert unknown is None
    assert run(store.read([], NOW_MS)) == []
    assert run(store.apply([], NOW_MS)) == []


def test_products_are_listed_the_most_recently_reviewed_first(run: Run, store: SummaryStore) -> None:
    for later, product_id in enumerate(["a", "b", "c", "a"]):
        apply(run, store, enriched(str(later), product_id), now_ms=NOW_MS + later)

    assert run(store.product_ids(2)) == ["a", "c"]


@given(deliveries=st.lists(events, max_size=12), now_ms=st.integers(NOW_MS - 2 * DAY_MS, NOW_MS + 40 * DAY_MS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_events_give_what_the_fold_gives(
    run: Run, store: SummaryStore, generation: int, deliveries: list[EnrichedReview], now_ms: int
) -> None:
    product_id = f"p{_next_number()}"
    deliveries = [replace(event, product_id=product_id) for event in deliveries]
    state = ProductState(product_id)

    assert apply(run, store, *deliveries) == [state.apply(event) for event in deliveries]
    assert run(store.read([product_id], now_ms)) == [summarize(state, now_ms, generation) if deliveries else None]
    assert run(store.evidence(product_id)) == (state.version, state.newest_sentences())
    held = [(review_id, contribution.revision) for review_id, contribution in state.held.items()]
    assert run(store.revisions(product_id, [one for one, _ in held])) == [revision for _, revision in held]


@given(deliveries=st.lists(events, max_size=8).map(without_contradictions), data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_repetition_of_events_change_no_count(
    run: Run, store: SummaryStore, deliveries: list[EnrichedReview], data: st.DataObject
) -> None:
    orders = [[enriched("always"), *deliveries]]
    orders.append(data.draw(st.permutations(orders[0] + deliveries[:3])))
    seen: list[Any] = []
    for order in orders:
        product_id = f"p{_next_number()}"
        apply(run, store, *(replace(event, product_id=product_id) for event in order))
        summary = read(run, store, product_id=product_id)
        seen.append((summary.windows, summary.last_review_at_ms, run(store.revisions(product_id, ["a", "b", "c"]))))

    assert seen[0] == seen[1]


_numbers = iter(range(10**9))


def _next_number() -> int:
    """Examples of one test share a store: each takes a product of its own."""
    return next(_numbers)
