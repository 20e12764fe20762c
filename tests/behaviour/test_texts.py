"""Product texts in every ports.SummaryStore: evidence, refusal, and when the next one is due."""

from __future__ import annotations

import pytest

from stream_app.ports import SummaryStore
from stream_app.records import EnrichedReview, Evidence, TextBasis
from stream_app.steps.fold import EMPTY_TALLY, MAX_SENTENCES
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched
from tests.behaviour.running import Run
from tests.behaviour.store_calls import (
    INTERVAL_MS,
    LEASE_MS,
    apply,
    claim,
    claim_to_publish,
    grown,
    publish,
    read,
    text_of,
    write_and_finish,
)


def test_evidence_is_the_newest_sentences_newest_first(run: Run, store: SummaryStore) -> None:
    reviews = [enriched(f"{n:03d}", created_at_ms=NOW_MS - n * HOUR_MS) for n in range(MAX_SENTENCES + 6)]
    apply(run, store, *reviews[::2], *reviews[1::2])

    version, sentences = run(store.evidence("p"))
    assert version == len(reviews)
    assert [item.review_id for item in sentences] == [review.review_id for review in reviews[:MAX_SENTENCES]]
    text = "It works (000).\nI would buy it again."
    assert sentences[0] == Evidence("000", 0, NOW_MS, "positive", 123, 5, text, key=(0, 15))


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


def test_reviews_that_come_while_a_text_is_made_are_new_since_the_text(run: Run, store: SummaryStore) -> None:
    """So the next text, which reads them, is due as if they had come after it."""
    apply(run, store, enriched("r1"), enriched("r2"))
    claim(run, store)
    basis, sentences = run(store.text_basis("p"))
    assert sentences == run(store.evidence("p"))[1]
    apply(run, store, *(enriched(f"late {n}", label="negative") for n in range(3)), deletion("r2"))

    assert run(store.write_text("p", text_of("r1"), {"r1": 0}, None, basis))
    assert read(run, store).reviews_since_text == 3
    publish(run, store)
    assert claim(run, store, NOW_MS + INTERVAL_MS - 1) == []
    assert claim(run, store, NOW_MS + INTERVAL_MS) == ["p"]


def test_reviews_that_come_while_a_text_is_made_move_the_sentiment(run: Run, store: SummaryStore) -> None:
    grown(run, store, 40)
    basis, _ = run(store.text_basis("p"))
    apply(run, store, *(enriched(f"late {n}", label="negative") for n in range(7)))

    assert run(store.write_text("p", text_of(made_at_ms=NOW_MS - DAY_MS), {}, None, basis))
    publish(run, store)
    assert claim(run, store) == ["p"]


def test_basis_of_a_state_that_was_forgotten_is_not_used(run: Run, store: SummaryStore) -> None:
    """A server that came back without its last moments has fewer reviews than the text was made of."""
    apply(run, store, enriched("r1"))
    basis, _ = run(store.text_basis("p"))
    ahead = TextBasis(basis.arrived + 9, basis.totals)

    assert run(store.write_text("p", text_of("r1"), {"r1": 0}, None, ahead))
    assert read(run, store).reviews_since_text == 0


def test_unknown_product_has_an_empty_basis(run: Run, store: SummaryStore) -> None:
    assert run(store.text_basis("unknown")) == (TextBasis(0, EMPTY_TALLY), [])


def test_unfinished_claims_are_counted_until_one_is_finished(run: Run, store: SummaryStore) -> None:
    """What kills its process each time is known by that, whichever process claims it."""
    apply(run, store, enriched("r1"))
    for claims in range(3):
        assert claim(run, store, NOW_MS + claims * LEASE_MS) == ["p"]
        assert run(store.unfinished_claims("p")) == claims
    write_and_finish(run, store, NOW_MS, "r1")
    assert run(store.unfinished_claims("p")) == 0


def test_claims_that_are_given_back_are_due_then_and_not_unfinished(run: Run, store: SummaryStore) -> None:
    """A process that is stopped while a dependency is away: nothing says that the product ended it."""
    for number, product_id in enumerate(("p", "q")):
        apply(run, store, enriched(f"r{number}", product_id=product_id))
    assert sorted(claim(run, store)) == ["p", "q"]
    assert claim(run, store) == []

    run(store.give_back_due(NOW_MS))
    assert sorted(claim(run, store)) == ["p", "q"]
    assert [run(store.unfinished_claims(one)) for one in ("p", "q")] == [0, 0]


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


def test_lease_of_a_process_whose_clock_was_ahead_ends(run: Run, store: SummaryStore) -> None:
    """It died, and the clock was put right: its lease would last as long as the clock was ahead."""
    apply(run, store, enriched("r1"))
    assert claim(run, store, NOW_MS + LEASE_MS // 2) == ["p"]
    assert claim(run, store, NOW_MS) == [], "clocks differ by less than a lease lasts"

    assert claim(run, store, NOW_MS - 3 * HOUR_MS) == ["p"]
    assert run(store.unfinished_claims("p")) == 1


def test_product_that_came_while_a_clock_was_ahead_is_due_at_once(run: Run, store: SummaryStore) -> None:
    """Also where nothing more arrives for it."""
    run(store.apply([enriched("r1")], NOW_MS + 3 * HOUR_MS))
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
    run(store.apply([event], NOW_MS))
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
    assert not applied.changed
    assert claim_to_publish(run, store) == ["p"]
    publish(run, store)
    run(store.apply([deletion("r1")], NOW_MS))
    assert claim_to_publish(run, store) == []


def test_better_models_leave_the_text_of_the_same_revision(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")

    assert apply(run, store, enriched("r1", enrichment_version=2)) == [True]
    assert read(run, store).text is not None
