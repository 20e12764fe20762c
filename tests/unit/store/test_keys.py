"""Key names: apart for every product and generation, together on one node for one product."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from stream_app.store.keys import DUE_SHARDS, Keys, due_shard

product_ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128)


@given(product_ids)
def test_keys_of_one_product_share_a_slot(product_id: str) -> None:
    assert len({key_slot(key.encode()) for key in Keys(1).product(product_id)}) == 1


@given(st.sets(st.one_of(product_ids, st.text("{}:%7B", min_size=1, max_size=4)), min_size=2, max_size=8))
def test_products_and_generations_share_no_key(ids: set[str]) -> None:
    keys = [key for generation, one in itertools.product((1, 11), ids) for key in Keys(generation).product(one)]

    assert len(set(keys)) == len(keys)


def test_due_and_leased_set_of_a_shard_share_a_slot_and_shards_are_spread() -> None:
    keys = Keys(1)

    assert all(key_slot(keys.due(n).encode()) == key_slot(keys.leased(n).encode()) for n in range(DUE_SHARDS))
    assert len({key_slot(keys.due(shard).encode()) for shard in range(DUE_SHARDS)}) == DUE_SHARDS


def test_shard_of_a_product_never_changes() -> None:
    """Processes of two versions share the due sets while one replaces the other."""
    assert [due_shard(product_id) for product_id in ("p", "B000KV61FC", "käse")] == [49, 33, 55]
