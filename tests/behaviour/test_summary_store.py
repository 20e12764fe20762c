"""What every ports.SummaryStore does: one suite, run on the store in memory and on the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_app.ports import SummaryStore
from stream_app.records import (
    FINAL_REVISION,
    Alert,
    Counts,
    EnrichedReview,
    Evidence,
    ModelName,
    ProductSummary,
    ProductText,
)
from stream_app.steps.fold import MAX_SENTENCES, ProductState
from stream_app.steps.product_summary import summarize
from stream_app.store.keys import MAX_RECENT_ALERTS
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched, events, without_contradictions
from tests.behaviour.running import Run

LEASE_MS = 30_000
INTERVAL_MS = 60_000
PUBLICATION_MS = 50_000

ODD_IDS = ["{", "}", "{}", "a{b}c", "a:b", "100%", "%7B", "käse 🧀", "../..", "*", "a\\b", "x" * 128, "é" * 128]


def text_of(*review_ids: str, made_at_ms: int = NOW_MS) -> ProductText:
    return ProductText("It works", "It works, they say.", "abstractive", review_ids, ModelName("t5", "r1"), made_at_ms)


def read(run: Run, store: SummaryStore, now_ms: int = NOW_MS, product_id: str = "p") -> ProductSummary:
    [summary] = run(store.read([product_id], now_ms))
    assert summary is not None
    return summary


def apply(run: Run, store: SummaryStore, *reviews: EnrichedReview, now_ms: int = NOW_MS) -> list[bool]:
    return [applied.changed for applied in run(store.apply(reviews, now_ms))]


def claim(run: Run, store: SummaryStore, now_ms: int = NOW_MS, limit: int = 10) -> list[str]:
    """Products whose text is due."""
    claimed = run(store.claim_due(now_ms, limit, 0, LEASE_MS))
    assert all(one.text_is_due for one in claimed)
    return sorted(one.product_id for one in claimed)


def claim_to_publish(run: Run, store: SummaryStore, now_ms: int = NOW_MS, limit: int = 10) -> list[str]:
    """Products whose counts are to be published, whether a text is due or not."""
    return sorted(one.product_id for one in run(store.claim_due(now_ms, 0, limit, LEASE_MS)))


def publish(run: Run, store: SummaryStore, now_ms: int = NOW_MS, product_id: str = "p") -> None:
    """What `describe` does at the end of a round."""
    run(store.finish_due({product_id: read(run, store, now_ms, product_id).state_version}, now_ms))


# ---- counting


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


# ---- evidence and text


def test_evidence_is_the_newest_sentences_newest_first(run: Run, store: SummaryStore) -> None:
    reviews = [enriched(f"{n:03d}", created_at_ms=NOW_MS - n * HOUR_MS) for n in range(MAX_SENTENCES + 6)]
    apply(run, store, *reviews[::2], *reviews[1::2])

    version, sentences = run(store.evidence("p"))
    assert version == len(reviews)
    assert [item.review_id for item in sentences] == [review.review_id for review in reviews[:MAX_SENTENCES]]
    assert sentences[0] == Evidence("000", 0, NOW_MS, "positive", 123, 5, "It works (000).")


def test_text_is_read_as_it_was_written_and_changes_the_state_version(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"), enriched("r2"))
    before, (changes, _) = read(run, store).state_version, run(store.evidence("p"))

    assert run(store.write_text("p", text_of("r1", "r2"), {"r1": 0, "r2": 0}))
    assert read(run, store).text == text_of("r1", "r2")
    assert read(run, store).state_version > before
    assert run(store.evidence("p"))[0] == changes, "writing a text does not make the evidence look changed"


@pytest.mark.parametrize("event", [enriched("r2", revision=1, kind="edited"), deletion("r2")])
def test_text_is_refused_when_a_review_that_it_cites_has_changed(
    run: Run, store: SummaryStore, event: EnrichedReview
) -> None:
    apply(run, store, enriched("r1"), enriched("r2"), event)

    assert not run(store.write_text("p", text_of("r1", "r2"), {"r1": 0, "r2": 0}))
    assert read(run, store).text is None
    assert run(store.write_text("p", text_of("r1"), {"r1": 0}))


def test_text_is_refused_when_it_cites_the_revision_of_a_deletion(run: Run, store: SummaryStore) -> None:
    apply(run, store, deletion(revision=4))

    assert not run(store.write_text("p", text_of("r1"), {"r1": 4}))


def test_text_of_an_unknown_product_is_refused(run: Run, store: SummaryStore) -> None:
    assert not run(store.write_text("unknown", text_of(), {}))
    assert run(store.read(["unknown"], NOW_MS)) == [None]


# ---- due products


def write_and_finish(run: Run, store: SummaryStore, now_ms: int, *review_ids: str) -> None:
    _, sentences = run(store.evidence("p"))
    revisions = {item.review_id: item.revision for item in sentences if item.review_id in review_ids}
    assert run(store.write_text("p", text_of(*review_ids, made_at_ms=now_ms), revisions))
    publish(run, store, now_ms)


def test_new_product_is_due_at_once_and_claimed_once(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched())

    assert claim(run, store) == ["p"]
    assert claim(run, store) == []


def test_due_products_are_claimed_up_to_the_limit_and_the_rest_stays_due(run: Run, store: SummaryStore) -> None:
    products = {f"p{n}" for n in range(200)}
    apply(run, store, *(enriched("r", product_id) for product_id in products))

    claimed = [claim(run, store, limit=limit) for limit in (30, 1, 300)]
    assert [len(ids) for ids in claimed] == [30, 1, 169]
    assert {product_id for ids in claimed for product_id in ids} == products


def test_lease_that_ends_unfinished_makes_the_product_due_again(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched())
    assert claim(run, store) == ["p"]

    assert claim(run, store, NOW_MS + LEASE_MS - 1) == []
    assert claim(run, store, NOW_MS + LEASE_MS) == ["p"]


def test_refused_text_leaves_the_product_due_until_it_is_finished(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched())
    claim(run, store)
    apply(run, store, deletion("other"))
    assert not run(store.write_text("p", text_of("r1"), {"r1": 9}))

    assert claim(run, store, NOW_MS + LEASE_MS) == ["p"]


def test_finished_product_is_due_again_after_enough_new_reviews_and_a_minute(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched())
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")
    assert claim(run, store, NOW_MS + DAY_MS) == []

    apply(run, store, enriched("r2"), enriched("r3"))
    assert claim(run, store, NOW_MS + INTERVAL_MS) == [], "two new reviews are too few"
    apply(run, store, enriched("r4"))
    assert claim(run, store, NOW_MS + INTERVAL_MS - 1) == [], "it is too early"
    assert claim(run, store, NOW_MS + INTERVAL_MS) == ["p"]


@pytest.mark.parametrize("event", [enriched("r1", revision=1, kind="edited"), deletion("r1")])
def test_finished_product_is_due_again_when_its_evidence_changes(
    run: Run, store: SummaryStore, event: EnrichedReview
) -> None:
    apply(run, store, enriched("r1"), enriched("r2"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")

    apply(run, store, enriched("r2", revision=1, kind="edited"))
    assert claim(run, store, NOW_MS + INTERVAL_MS) == [], "r2 was not cited"
    apply(run, store, event)
    assert claim(run, store, NOW_MS + INTERVAL_MS) == ["p"]


def test_review_that_comes_while_a_text_is_made_keeps_the_product_due(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched())
    claim(run, store)
    assert run(store.write_text("p", text_of("r1", made_at_ms=NOW_MS - INTERVAL_MS), {"r1": 0}))
    version = read(run, store).state_version
    apply(run, store, *(enriched(f"late {n}") for n in range(3)))
    assert claim(run, store) == [], "it is leased"

    run(store.finish_due({"p": version}, NOW_MS))
    assert claim(run, store) == ["p"]


def test_claims_that_nobody_finished_are_counted_until_one_is(run: Run, store: SummaryStore) -> None:
    """What kills its process each time is known by that, whichever process claims it."""
    apply(run, store, enriched("r1"))
    for claims in range(3):
        assert claim(run, store, NOW_MS + claims * LEASE_MS) == ["p"]
        assert run(store.unfinished_claims("p")) == claims
    write_and_finish(run, store, NOW_MS, "r1")
    assert run(store.unfinished_claims("p")) == 0


def test_text_that_was_refused_is_due_again_and_no_claim_counts_as_unfinished(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"))
    assert claim(run, store) == ["p"]
    publish(run, store)
    assert claim(run, store) == ["p"]
    assert run(store.unfinished_claims("p")) == 0


def test_counts_that_are_published_leave_the_claims_of_its_text_counted(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"))
    assert claim(run, store) == ["p"]
    later = NOW_MS + LEASE_MS
    assert claim_to_publish(run, store, later) == ["p"]
    publish(run, store, later)
    assert run(store.unfinished_claims("p")) == 1


def test_only_the_holder_of_the_lease_ends_it(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched())
    publish(run, store)

    assert claim(run, store) == ["p"]


def grown(run: Run, store: SummaryStore, reviews: int, **changes: Any) -> None:
    """The product p with so many reviews and a text that cites none of them, published a day ago."""
    apply(run, store, *(enriched(f"old {n}", **changes) for n in range(reviews)), now_ms=NOW_MS - DAY_MS)
    claim(run, store, NOW_MS - DAY_MS)
    write_and_finish(run, store, NOW_MS - DAY_MS)
    assert claim(run, store) == []


@pytest.mark.parametrize(("before", "new", "due"), [(300, 49, False), (300, 50, True), (20, 3, False), (20, 4, True)])
def test_text_is_due_after_a_fifth_of_the_reviews_or_fifty(
    run: Run, store: SummaryStore, before: int, new: int, due: bool
) -> None:
    grown(run, store, before)

    apply(run, store, *(enriched(f"new {n}") for n in range(new)))
    assert claim(run, store) == (["p"] if due else [])


def test_text_made_by_a_clock_that_was_ahead_does_not_hold_up_the_next(run: Run, store: SummaryStore) -> None:
    """Neither the time that the text says, nor when the product was to be looked at again."""
    ahead = NOW_MS + 3 * HOUR_MS
    apply(run, store, enriched("r1"), enriched("r2"), enriched("r3"))
    assert claim(run, store, ahead) == ["p"]
    assert run(store.write_text("p", text_of("r1", made_at_ms=ahead), {"r1": 0}))
    publish(run, store, ahead)

    apply(run, store, deletion("r1"))
    assert claim(run, store) == ["p"]


def test_text_is_due_when_the_sentiment_moved(run: Run, store: SummaryStore) -> None:
    grown(run, store, 300)

    apply(run, store, *(enriched(f"fine {n}") for n in range(20)))
    assert claim(run, store) == []
    apply(run, store, *(enriched(f"broke {n}", label="negative") for n in range(5)))
    assert claim(run, store) == ["p"]


def test_text_is_due_when_edits_move_the_sentiment(run: Run, store: SummaryStore) -> None:
    grown(run, store, 60)

    apply(run, store, *(enriched(f"old {n}", revision=1, kind="edited", label="negative") for n in range(8)))
    assert claim(run, store) == []
    apply(run, store, *(enriched(f"old {n}", revision=1, kind="edited", label="negative") for n in range(8, 16)))
    assert claim(run, store) == ["p"]


@pytest.mark.parametrize("event", [enriched("r2", revision=1, kind="edited", text="New."), deletion("r2")])
def test_text_is_withdrawn_with_the_event_that_changes_its_evidence(
    run: Run, store: SummaryStore, event: EnrichedReview
) -> None:
    """No reader finds the words of a deleted review, not even until `describe` comes."""
    apply(run, store, enriched("r1"), enriched("r2"), enriched("r3"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1", "r2")
    before = read(run, store).state_version

    apply(run, store, deletion("r3"))
    assert read(run, store).text is not None, "r3 was not cited"
    [applied] = run(store.apply([event], NOW_MS))
    assert applied.text_unpublished
    assert read(run, store).text is None
    assert read(run, store).state_version > before + 1

    assert claim_to_publish(run, store) == ["p"], "products.summaries is to lose the words at once"
    publish(run, store)
    assert claim(run, store, NOW_MS + INTERVAL_MS - 1) == [], "a text was made within the interval"
    assert claim(run, store, NOW_MS + INTERVAL_MS) == ["p"]


def test_redelivered_deletion_makes_the_withdrawal_due_again(run: Run, store: SummaryStore) -> None:
    """A process that died between the deletion and the entry leaves it to the redelivery."""
    apply(run, store, enriched("r1"), enriched("r2"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")
    run(store.apply([deletion("r1")], NOW_MS))

    [applied] = run(store.apply([deletion("r1")], NOW_MS))
    assert (applied.changed, applied.text_unpublished) == (False, True)
    publish(run, store)
    [applied] = run(store.apply([deletion("r1")], NOW_MS))
    assert not applied.text_unpublished


def test_better_models_leave_the_text_of_the_same_revision(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")

    assert apply(run, store, enriched("r1", enrichment_version=2)) == [True]
    assert read(run, store).text is not None


# ---- what is to be published


def test_text_that_was_written_and_not_published_is_due_when_the_lease_ends(run: Run, store: SummaryStore) -> None:
    """A process died between the write and the publication; no review comes any more."""
    apply(run, store, enriched())
    assert claim(run, store) == ["p"]
    assert run(store.write_text("p", text_of("r1"), {"r1": 0}))

    assert claim_to_publish(run, store, NOW_MS + LEASE_MS - 1) == []
    assert claim(run, store, NOW_MS + LEASE_MS) == [], "the text itself is made"
    assert claim_to_publish(run, store, NOW_MS + LEASE_MS) == ["p"]
    publish(run, store, NOW_MS + LEASE_MS)
    assert claim_to_publish(run, store, NOW_MS + DAY_MS) == []


def test_changed_counts_are_to_be_published_once_an_interval(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")
    assert claim_to_publish(run, store, NOW_MS + DAY_MS) == [], "nothing changed"

    apply(run, store, enriched("r2"), now_ms=NOW_MS + 1)
    assert claim_to_publish(run, store, NOW_MS + PUBLICATION_MS - 1) == []
    apply(run, store, enriched("r3"), now_ms=NOW_MS + PUBLICATION_MS)
    assert claim_to_publish(run, store, NOW_MS + PUBLICATION_MS) == ["p"]
    publish(run, store, NOW_MS + PUBLICATION_MS)
    assert claim_to_publish(run, store, NOW_MS + DAY_MS) == []


def test_counts_that_change_while_they_are_published_are_due_again(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")
    apply(run, store, enriched("r2"))
    at = NOW_MS + PUBLICATION_MS
    assert claim_to_publish(run, store, at) == ["p"]
    version = read(run, store).state_version
    apply(run, store, enriched("r3"), now_ms=at)
    run(store.finish_due({"p": version}, at))

    assert claim_to_publish(run, store, at + PUBLICATION_MS - 1) == []
    assert claim_to_publish(run, store, at + PUBLICATION_MS) == ["p"]


def test_withdrawal_is_due_before_counts_that_wait_for_their_interval(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"), enriched("r2"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")
    apply(run, store, enriched("r3"), now_ms=NOW_MS + 1)
    assert claim_to_publish(run, store, NOW_MS + 1) == []

    apply(run, store, deletion("r1"), now_ms=NOW_MS + 2)
    assert claim_to_publish(run, store, NOW_MS + 2) == ["p"]


def test_more_texts_than_can_be_made_hold_no_counts_back(run: Run, store: SummaryStore) -> None:
    products = {f"p{n}" for n in range(100)}
    apply(run, store, *(enriched("r", product_id) for product_id in products))

    claimed = run(store.claim_due(NOW_MS, 1, 200, LEASE_MS))
    assert {one.product_id for one in claimed} == products
    assert sum(one.text_is_due for one in claimed) == 1
    run(store.finish_due({one.product_id: 1 for one in claimed if not one.text_is_due}, NOW_MS))
    assert len(claim(run, store, limit=200)) == 99, "their texts are due still"


def test_product_known_by_a_deletion_alone_is_not_published(run: Run, store: SummaryStore) -> None:
    apply(run, store, deletion("r1"))

    assert claim_to_publish(run, store) == []


def test_product_that_the_server_forgot_stays_forgotten(run: Run, store: SummaryStore) -> None:
    run(store.finish_due({"unknown": 5}, NOW_MS))

    assert run(store.read(["unknown"], NOW_MS)) == [None]


# ---- alerts


def alert(number: int, **changes: Any) -> Alert:
    first = Alert(f"negative_review|p|{number}", "negative_review", "warning", "p", NOW_MS, NOW_MS + number)
    return replace(first, **changes)


def test_recent_alerts_are_the_newest_first_and_each_once(run: Run, store: SummaryStore) -> None:
    full = alert(2, review_id="r", revision=1, rating=1, p_negative=0.9876, sentence="Fire!", safety_words=("fire",))
    run(store.record_alerts([alert(1), full, alert(0)]))
    run(store.record_alerts([full, replace(full, raised_at_ms=NOW_MS + 99)]))

    assert run(store.recent_alerts(10)) == [full, alert(1), alert(0)]
    assert run(store.recent_alerts(1)) == [full]


def test_graver_alert_replaces_the_one_of_its_id_and_others_change_nothing(run: Run, store: SummaryStore) -> None:
    """Shown once, as the gravest. What is kept already, as it comes again after a crash, counts as kept."""
    warning = alert(1, severity="warning")
    critical = replace(warning, severity="critical", raised_at_ms=NOW_MS + 9)
    again, milder = replace(critical, raised_at_ms=NOW_MS + 10), replace(critical, severity="info")

    assert run(store.record_alerts([warning, alert(2), warning])) == [True, True, True]
    assert run(store.record_alerts([critical, again, milder, warning])) == [True, False, False, False]
    assert run(store.record_alerts([critical])) == [True]
    assert run(store.recent_alerts(10)) == [critical, alert(2)]


def test_recent_alerts_are_bounded(run: Run, store: SummaryStore) -> None:
    run(store.record_alerts([alert(number) for number in range(MAX_RECENT_ALERTS + 3)]))

    kept = run(store.recent_alerts(2 * MAX_RECENT_ALERTS))
    assert kept == [alert(number) for number in range(MAX_RECENT_ALERTS + 2, 2, -1)]


QUOTING = alert(2, review_id="r1", revision=1, rating=1, p_negative=0.9876, sentence="Fire!", safety_words=("fire",))
WITHOUT_WORDS = replace(QUOTING, sentence=None, safety_words=())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (deletion("r1", revision=1), WITHOUT_WORDS),
        (deletion("r1", revision=FINAL_REVISION), WITHOUT_WORDS),
        (enriched("r1", revision=2, kind="edited"), WITHOUT_WORDS),
        (enriched("r1", revision=1, kind="edited"), QUOTING),
        (enriched("r1", revision=0), QUOTING),
        (deletion("r1", revision=0), QUOTING),
        (deletion("r2", revision=9), QUOTING),
    ],
)
@pytest.mark.parametrize("alert_first", [True, False])
def test_alert_loses_its_words_with_the_revision_that_it_quotes(
    run: Run, store: SummaryStore, event: EnrichedReview, expected: Alert, alert_first: bool
) -> None:
    """Also an alert that is noted after the deletion was applied brings none back."""
    steps = [lambda: run(store.record_alerts([QUOTING])), lambda: apply(run, store, event)]
    for step in steps if alert_first else reversed(steps):
        step()
    assert run(store.recent_alerts(10)) == [expected]

    run(store.record_alerts([QUOTING]))
    assert run(store.recent_alerts(10)) == [expected], "the alert is delivered twice"


def test_alert_of_a_later_revision_takes_the_words_of_the_one_before(run: Run, store: SummaryStore) -> None:
    edited = replace(QUOTING, alert_id="later", revision=2, sentence="Smoke!", raised_at_ms=NOW_MS + 50)
    apply(run, store, enriched("r1", revision=1), enriched("r1", revision=2))
    run(store.record_alerts([QUOTING, edited]))

    assert run(store.recent_alerts(10)) == [edited, WITHOUT_WORDS]
