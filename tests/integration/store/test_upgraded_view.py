"""A view that an earlier version filled: read without an error, and continued without counting anything wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase

import pytest
from redis import Redis

from stream_app.store.keys import Keys, ProductKeys
from stream_app.store.packing import unpack_state
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched, opinion
from tests.behaviour.running import Run
from tests.integration.store.conftest import NAMESPACE, Opener

pytestmark = pytest.mark.store
TODAY, THIS_HOUR = NOW_MS // DAY_MS, NOW_MS // HOUR_MS


@pytest.fixture
def client(valkey: str) -> Iterator[Redis]:
    with Redis.from_url(valkey) as opened:
        yield opened


@pytest.fixture
def keys(generation: int) -> ProductKeys:
    return Keys(NAMESPACE, generation).product("p")


@pytest.fixture
def store(valkey: str, open_store: Opener, generation: int) -> RedisSummaryStore:
    return open_store(valkey, generation=generation)


@pytest.fixture
def upgraded(client: Redis, keys: ProductKeys, store: RedisSummaryStore) -> RedisSummaryStore:
    """Version 1 applied the review "old", and kept 32 days."""
    tally = "0 0 1 0 0 0 0 0 1 123"
    client.hset(
        keys.state,
        mapping={
            "version": 1,
            "arrived": 1,
            "totals": tally,
            "newest": NOW_MS,
            "oldest_day": TODAY - 32,
            str(TODAY): f";{THIS_HOUR % 24} {tally}",
        },
    )
    client.hset(keys.reviews, "old", f"0 0 1 {THIS_HOUR} 2 5 123")
    scored = b'"label":"positive","p_negative":123,"rating":5'
    evidence = b'{"review_id":"old","revision":0,"created_at_ms":%d,%b,"sentence":"Ok."}' % (NOW_MS, scored)
    client.hset(keys.sentences, "old", evidence)
    client.zadd(keys.sentence_times, {"old": NOW_MS})
    return store


def test_view_from_before_aspects_is_read(run: Run, upgraded: RedisSummaryStore) -> None:
    [summary] = run(upgraded.read(["p"], NOW_MS))
    assert summary is not None
    assert summary.windows["24h"].positive == 1
    assert run(upgraded.revisions("p", ["old"])) == [0]
    _, [evidence] = run(upgraded.evidence("p"))
    assert (evidence.sentence, evidence.mentions) == ("Ok.", ())


def test_review_applied_before_aspects_is_edited_and_deleted(
    run: Run, upgraded: RedisSummaryStore, client: Redis, keys: ProductKeys
) -> None:
    """Nothing is taken away that was never added."""
    others = enriched("new", opinions=(opinion("positive", "look"),))
    edit = enriched("old", revision=1, kind="edited", opinions=(opinion("negative", "look"),))
    run(upgraded.apply([others, edit], NOW_MS))
    assert unpack_state("p", client.hgetall(keys.state)).aspects == {"look": (2, 1, 1)}  # type: ignore[arg-type]

    run(upgraded.apply([deletion("old", revision=2)], NOW_MS))
    assert unpack_state("p", client.hgetall(keys.state)).aspects == {"look": (1, 0, 1)}  # type: ignore[arg-type]


def test_days_that_a_version_with_fewer_days_dropped_stay_dropped(
    run: Run, upgraded: RedisSummaryStore, client: Redis, keys: ProductKeys
) -> None:
    """Else the deletion of a review that stood there would count -1."""
    dropped = THIS_HOUR - 34 * 24
    client.hset(keys.reviews, "dropped", f"0 0 1 {dropped} 2 5 123")
    client.hset(keys.state, "totals", "0 0 2 0 0 0 0 0 2 246")

    run(upgraded.apply([enriched("new", created_at_ms=NOW_MS + 1), deletion("dropped")], NOW_MS))

    state = unpack_state("p", client.hgetall(keys.state))  # type: ignore[arg-type]
    assert dropped not in state.buckets
    assert client.hget(keys.state, "oldest_day") == str(TODAY - 32).encode()
    run(upgraded.apply([enriched("later", created_at_ms=NOW_MS + 9 * DAY_MS)], NOW_MS))
    assert client.hget(keys.state, "oldest_day") == str(TODAY + 9 - 37).encode()


def test_product_has_as_many_aspects_as_there_are_letters(
    run: Run, store: RedisSummaryStore, client: Redis, keys: ProductKeys
) -> None:
    """Those of files that were there before keep theirs; a rebuild makes room."""
    earlier = [f" earlier_{n}={letter}" for n, letter in enumerate(ascii_uppercase + ascii_lowercase[:-1])]
    client.hset(keys.state, "aspect_letters", "".join(earlier))

    run(store.apply([enriched(opinions=(opinion("negative", "look"), opinion("positive", "value")))], NOW_MS))

    assert client.hget(keys.reviews, "r1") == f"0 0 1 {THIS_HOUR} 2 5 123 -z".encode()
    assert unpack_state("p", client.hgetall(keys.state)).aspects == {"look": (1, 1, 0)}  # type: ignore[arg-type]
