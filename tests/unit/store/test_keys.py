"""Key names: apart for every installation, product and generation, together on one node for one product."""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from stream_app.settings import Settings
from stream_app.store.keys import DUE_SHARDS, Keys, Namespace, due_shard

product_ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128)
names = st.one_of(st.text("a:{}*?[]\\^%3A.", max_size=4), st.text(max_size=8))


SETTINGS = Settings(_env_file=None)


def keys_of(topic_prefix: str = "", app_name: str = "stream-app", generation: int = 1) -> Keys:
    named = {"topic_prefix": topic_prefix, "app_name": app_name, "generation": generation}
    return Keys.of(SETTINGS.model_copy(update=named))


def all_keys(keys: Keys, product_id: str = "p") -> list[str]:
    """One of every kind."""
    own = [keys.products, keys.alerts, keys.alert_times, keys.due(0), keys.leased(0)]
    of_all = [keys.namespace.generations, keys.namespace.rebuild_claim, keys.namespace.receivers]
    return [*own, *keys.product(product_id), *of_all, *keys.namespace.receiver(product_id)]


@given(names, names, product_ids)
def test_keys_of_one_product_share_a_slot(topic_prefix: str, app_name: str, product_id: str) -> None:
    keys = keys_of(topic_prefix, app_name).product(product_id)

    assert len({key_slot(key.encode()) for key in keys}) == 1
    assert key_slot(keys.state.encode()) == key_slot(keys_of().product(product_id).state.encode()), (
        "it is the product's"
    )


@given(st.sets(st.one_of(product_ids, st.text("{}:%7B", min_size=1, max_size=4)), min_size=2, max_size=8))
def test_products_and_generations_share_no_key(ids: set[str]) -> None:
    views = [keys_of(generation=generation) for generation in (1, 11)]
    keys = [key for view, one in itertools.product(views, ids) for key in view.product(one)]

    assert len(set(keys)) == len(keys)


@given(st.sets(st.tuples(names, names), min_size=2, max_size=4))
def test_installations_share_no_key_and_no_pattern_matches_anothers(installations: set[tuple[str, str]]) -> None:
    """Distinguished by topic prefix or app name, also where one is the beginning of the other, or a pattern."""
    keys = [(one, all_keys(one)) for one in itertools.starmap(keys_of, installations)]
    for (mine, my_keys), (_, others) in itertools.permutations(keys, 2):
        assert not set(my_keys) & set(others)
        assert not [key for key in others if fnmatchcase(key, mine.all)]
        assert fnmatchcase(mine.product("p").state, mine.all)


def test_name_of_a_key_never_changes() -> None:
    """Processes of two versions share a view while one replaces the other."""
    assert keys_of("shop.", "app").product("p/1").state == "shop.:app:v1:g1:{p%2F1}:state"
    assert Namespace.of(SETTINGS).generations == ":stream-app:v1:{generations}"


def test_due_and_leased_set_of_a_shard_share_a_slot_and_shards_are_spread() -> None:
    keys = keys_of()

    assert all(key_slot(keys.due(n).encode()) == key_slot(keys.leased(n).encode()) for n in range(DUE_SHARDS))
    assert len({key_slot(keys.due(shard).encode()) for shard in range(DUE_SHARDS)}) == DUE_SHARDS


def test_shard_of_a_product_never_changes() -> None:
    """Processes of two versions share the due sets while one replaces the other."""
    assert [due_shard(product_id) for product_id in ("p", "B000KV61FC", "käse")] == [49, 33, 55]
