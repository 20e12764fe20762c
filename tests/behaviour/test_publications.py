"""When a product summary is due for publication, in every ports.SummaryStore."""

from __future__ import annotations

import random

import pytest

from stream_app.ports import SummaryStore
from stream_app.records import EnrichedReview
from tests.behaviour.enriched import DAY_MS, NOW_MS, deletion, enriched
from tests.behaviour.running import Run
from tests.behaviour.store_calls import (
    LEASE_MS,
    PUBLICATION_MS,
    apply,
    claim,
    claim_to_publish,
    publish,
    read,
    text_of,
    write_and_finish,
)


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


def test_counts_are_published_within_a_minute_of_their_change(run: Run, store: SummaryStore) -> None:
    """With the interval that the settings have by default; `describe` looks for what is due twice a second."""
    rng = random.Random(7)
    changed_at: list[int] = []  # what is not published yet
    waited: list[int] = []
    apply(run, store, enriched("first"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "first")
    for number in range(1, 600):
        now_ms = NOW_MS + 500 * number
        if rng.random() < 0.05:
            apply(run, store, enriched(f"r{number}"), now_ms=now_ms)
            changed_at.append(now_ms)
        if claim_to_publish(run, store, now_ms):
            waited += [now_ms - since for since in changed_at]
            changed_at.clear()
            publish(run, store, now_ms)

    assert len(waited) >= 20
    assert max(waited) <= 60_000


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


@pytest.mark.parametrize("event", [enriched("r2", revision=1, kind="edited", text="New."), deletion("r2")])
def test_words_that_went_are_published_at_once_though_no_text_cites_them(
    run: Run, store: SummaryStore, event: EnrichedReview
) -> None:
    """An aspect may quote the review."""
    apply(run, store, enriched("r1"), enriched("r2"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")

    apply(run, store, event, now_ms=NOW_MS + 1)
    assert read(run, store).text is not None
    assert claim_to_publish(run, store, NOW_MS + 1) == ["p"]
    publish(run, store, NOW_MS + 1)
    assert claim_to_publish(run, store, NOW_MS + DAY_MS) == []


def test_better_models_wait_for_the_interval(run: Run, store: SummaryStore) -> None:
    """They take no words away."""
    apply(run, store, enriched("r1"), enriched("r2"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")

    apply(run, store, enriched("r2", enrichment_version=2), now_ms=NOW_MS + 1)
    assert claim_to_publish(run, store, NOW_MS + PUBLICATION_MS - 1) == []


def test_words_that_went_wait_for_no_text_that_is_due(run: Run, store: SummaryStore) -> None:
    """It may take T5 a while. Then the text is made."""
    apply(run, store, enriched("r1"), enriched("r2"))
    claim(run, store)
    write_and_finish(run, store, NOW_MS, "r1")

    later = NOW_MS + DAY_MS
    apply(run, store, deletion("r1"), now_ms=later)
    assert [one.text_is_due for one in run(store.claim_due(later, 10, 10, LEASE_MS))] == [False]
    publish(run, store, later)
    assert [one.text_is_due for one in run(store.claim_due(later, 10, 10, LEASE_MS))] == [True]


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
