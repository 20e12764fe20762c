"""What a consumer that drops duplicates by ``ce_id``, as the README says, gets to see: every state, and each once."""

from __future__ import annotations

import random
from collections.abc import Sequence

from stream_app import contract
from stream_app.records import EnrichedReview, Message
from stream_app.steps.fold import ProductState
from stream_app.steps.product_summary import summarize
from tests.behaviour.enriched import NOW_MS, deletion, enriched

LIFE = (
    enriched("r1"),
    enriched("r1", kind="edited", revision=1),
    deletion("r1", revision=1),  # a deletion may name the revision that it deletes
    enriched("r1", kind="edited", revision=2),
    deletion("r1", revision=3),
    enriched("r1", kind="edited", revision=4),
    enriched("r1", kind="edited", revision=4, enrichment_version=2),
    deletion("r1", revision=4, enrichment_version=2),
    enriched("r2"),
    enriched("1/0", product_id="r"),  # separators in ids
    enriched("1", product_id="r/0"),
)


def ce_id(message: Message) -> bytes:
    return dict(message.headers)["ce_id"]


def ids(reviews: Sequence[EnrichedReview]) -> list[bytes]:
    return [ce_id(contract.enriched_message("reviews.enriched", review)) for review in reviews]


def summary_id(state: ProductState, generation: int) -> bytes:
    summary = summarize(state, NOW_MS, generation)
    read = contract.decode_product_summary(contract.encode_product_summary(summary))
    assert read.generation == generation, "a reader sees which view it is of"
    return ce_id(contract.product_summary_message("products.summaries", read))


def test_every_state_of_a_review_has_an_id_of_its_own() -> None:
    """Creation, deletion and a better model's answer shared one: the deletion was dropped as a duplicate."""
    assert len(set(ids(LIFE))) == len(LIFE)


def test_redelivered_review_has_the_same_id() -> None:
    """What is published again after a crash differs in its time alone."""
    again = [EnrichedReview(**{name: getattr(one, name) for name in one.__slots__}) for one in LIFE]  # type: ignore[attr-defined]
    for one in again:
        one.enriched_at_ms += 1000  # type: ignore[misc]

    assert ids(again) == ids(LIFE)


def test_consumer_that_drops_duplicates_ends_with_what_was_published() -> None:
    """Whatever comes how often: the view of its first copies is that of all of them."""
    chance = random.Random(7)
    delivered = [one for one in LIFE if one.product_id == "p" for _ in range(chance.randint(1, 3))]
    seen: set[bytes] = set()
    everything, firsts = ProductState("p"), ProductState("p")
    for one, name in zip(delivered, ids(delivered), strict=True):
        everything.apply(one)
        if name not in seen:
            firsts.apply(one)
        seen.add(name)

    assert (everything.totals, everything.held) == (firsts.totals, firsts.held)


def test_every_state_of_a_product_has_an_id_of_its_own_over_rebuilds() -> None:
    """A rebuild folds fewer events than came, duplicates aside, and counted again from 0: ids were used twice."""
    published: list[bytes] = []
    versions: list[int] = []
    for generation in (1, 2, 3):
        state = ProductState("p")
        for one in LIFE[: 9 - generation]:
            assert state.apply(one)
            published.append(summary_id(state, generation))
            versions.append(summarize(state, NOW_MS, generation).state_version)
            assert summary_id(state, generation) == published[-1], "the same state has the same id"

    assert len(set(published)) == len(published)
    assert versions == sorted(versions), "state_version never falls"
    assert max(versions) < 2**53
