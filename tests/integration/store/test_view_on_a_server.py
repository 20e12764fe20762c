"""The view on a shared server: generations, scripts that were forgotten, outboxes, several processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from stream_app.ports import Applied
from stream_app.records import EnrichedReview
from stream_app.steps.fold import ProductState
from stream_app.store.keys import Keys
from stream_app.store.packing import unpack_contribution, unpack_state
from stream_app.store.scripts import CLAIM_DUE, SCRIPTS
from stream_app.store.server import Server
from stream_app.store.summaries import RedisSummaryStore, applied_of, apply_command
from tests.behaviour.enriched import DAY_MS, NOW_MS, deletion, enriched, events
from tests.behaviour.running import Run
from tests.integration.store.conftest import NAMESPACE, Opener

pytestmark = pytest.mark.store
LEASE_MS = 30_000


@pytest.fixture
def store(valkey: str, open_store: Opener, generation: int) -> RedisSummaryStore:
    return open_store(valkey, generation=generation)


@pytest.fixture
def client(valkey: str) -> Iterator[Redis]:
    with Redis.from_url(valkey) as opened:
        yield opened


def test_generations_share_nothing(run: Run, valkey: str, open_store: Opener, generation: int) -> None:
    old, new = open_store(valkey, generation=generation), open_store(valkey, generation=generation + 1)
    run(old.apply([enriched()], NOW_MS))

    assert run(new.read(["p"], NOW_MS)) == [None]
    assert run(new.product_ids(10)) == []
    assert run(new.claim_due(NOW_MS, 10, LEASE_MS)) == []
    assert [one.changed for one in run(new.apply([enriched()], NOW_MS))] == [True]


@pytest.mark.parametrize("told_apart_by", ["topic_prefix", "app_name"])
def test_installations_on_one_server_count_apart(
    run: Run, valkey: str, open_store: Opener, generation: int, told_apart_by: str
) -> None:
    """Ten reviews here and five there are not fifteen; what one rebuilds or drops is its own."""
    ours, others = ({"generation": generation, told_apart_by: name} for name in ("one.", "other."))
    ten, five = open_store(valkey, **ours), open_store(valkey, **others)
    run(ten.apply([enriched(f"r{number}") for number in range(10)], NOW_MS))
    run(five.apply([enriched(f"s{number}") for number in range(5)], NOW_MS))

    counts = [run(store.read(["p"], NOW_MS))[0].windows["all"].reviews for store in (ten, five)]
    assert counts == [10, 5]


def test_every_key_carries_the_generation(run: Run, store: RedisSummaryStore, client: Redis, generation: int) -> None:
    before = set(client.scan_iter(count=1000))
    run(store.apply([enriched(), deletion("r2")], NOW_MS))
    run(store.claim_due(NOW_MS, 10, LEASE_MS))

    assert {key for key in set(client.scan_iter(count=1000)) - before if f"g{generation}:".encode() not in key} == set()


def test_scripts_that_the_server_forgot_are_loaded_again(run: Run, store: RedisSummaryStore, client: Redis) -> None:
    run(store.apply([enriched("r1")], NOW_MS))
    client.script_flush()

    assert [one.changed for one in run(store.apply([enriched("r1"), enriched("r2")], NOW_MS))] == [False, True]
    client.script_flush()
    assert run(store.claim_due(NOW_MS, 10, LEASE_MS)) == ["p"]


def test_only_commands_that_missed_their_script_run_again(run: Run, valkey: str, client: Redis) -> None:
    """An apply that had run before would answer as a duplicate the second time."""
    server = Server(valkey, SCRIPTS)
    keys = Keys(NAMESPACE, 0)
    first, second = (apply_command(keys, enriched(one, f"product of {keys.generation}")) for one in ("r1", "r2"))
    state = keys.product(f"product of {keys.generation}")
    client.delete(*state)
    run(server.run([first]))
    client.delete(*state)
    client.script_flush()
    load_midway = ("SCRIPT", "LOAD", SCRIPTS[0].source)

    replies = run(server.run([first, load_midway, second]))
    client.delete(*state)
    run(server.close())
    assert [replies[0][0], replies[2][0]] == [1, 1]


def test_alert_stays_in_the_outbox_until_it_is_cleared(run: Run, store: RedisSummaryStore, valkey: str) -> None:
    keys = store._keys

    def apply(review_id: str, alert_id: str, revision: int = 0) -> Applied:
        command = apply_command(keys, enriched(review_id, revision=revision), alert_id, b'{"n": "1 2"}')
        [reply] = run(store._server.run([command]))
        return applied_of(reply)

    assert apply("r1", "z") == Applied(True, (("z", b'{"n": "1 2"}'),))
    assert [one for one, _ in apply("r2", "a").outbox] == ["z", "a"], "oldest first"
    assert [one for one, _ in apply("r2", "b").outbox] == ["z", "a"], "a duplicate raises nothing"
    assert [one for one, _ in apply("r2", "z", revision=1).outbox] == ["z", "a"], "the same alert once"
    [redelivered] = run(store.apply([enriched("r1")], NOW_MS))
    assert (redelivered.changed, [one for one, _ in redelivered.outbox]) == (False, ["z", "a"])

    run(store.clear_outbox("p", ["z"]))
    [redelivered] = run(store.apply([enriched("r1")], NOW_MS))
    assert redelivered.outbox == (("a", b'{"n": "1 2"}'),)
    run(store.clear_outbox("p", []))


def test_processes_that_claim_at_once_share_the_products(
    run: Run, valkey: str, open_store: Opener, generation: int
) -> None:
    stores = [open_store(valkey, generation=generation) for _ in range(4)]
    products = {f"p{n}" for n in range(150)}
    run(stores[0].apply([enriched("r", product_id) for product_id in products], NOW_MS))

    async def claim_all() -> list[list[str]]:
        return await asyncio.gather(*(one.claim_due(NOW_MS, 1000, LEASE_MS) for one in stores))

    claimed = [product_id for ids in run(claim_all()) for product_id in ids]
    assert sorted(claimed) == sorted(products)


def test_late_finisher_does_not_end_the_lease_of_its_successor(
    run: Run, valkey: str, open_store: Opener, generation: int
) -> None:
    late, successor = open_store(valkey, generation=generation), open_store(valkey, generation=generation)
    run(late.apply([enriched()], NOW_MS))
    assert run(late.claim_due(NOW_MS, 1, LEASE_MS)) == ["p"]
    ended = NOW_MS + LEASE_MS
    assert run(successor.claim_due(ended, 1, LEASE_MS)) == ["p"]

    run(late.not_due("p", run(late.evidence("p"))[0]))
    assert run(late.claim_due(ended + LEASE_MS, 1, LEASE_MS)) == ["p"], "the successor died: its lease must have stood"


def test_review_applied_by_a_process_that_died_before_it_entered_the_due_keeps_the_product_due(
    run: Run, store: RedisSummaryStore
) -> None:
    run(store.apply([enriched()], NOW_MS))
    run(store.claim_due(NOW_MS, 1, LEASE_MS))
    version, _ = run(store.evidence("p"))
    run(store._server.run([apply_command(store._keys, enriched("r2"))]))

    run(store.not_due("p", version))
    assert run(store.claim_due(NOW_MS, 1, LEASE_MS)) == ["p"]


def test_leased_products_that_became_due_again_hide_no_other(run: Run, valkey: str, generation: int) -> None:
    server, keys = Server(valkey, SCRIPTS), Keys(NAMESPACE, generation)
    shard = (keys.due(0), keys.leased(0), keys.unfinished(0))
    claim_one = CLAIM_DUE.call(shard, (10, 1, 20))

    [_, claimed] = run(server.run([("ZADD", shard[0], 1, "busy"), claim_one]))
    [_, next_claimed] = run(server.run([("ZADD", shard[0], 1, "busy", 2, "other"), claim_one]))
    run(server.close())
    assert (claimed, next_claimed) == ([b"busy"], [b"other"])


OLDEST_KEPT = enriched("a", created_at_ms=NOW_MS // DAY_MS * DAY_MS - 32 * DAY_MS)
JUST_DROPPED = enriched("b", created_at_ms=OLDEST_KEPT.created_at_ms - 1)


@given(deliveries=st.lists(events, min_size=1, max_size=12))
@example(deliveries=[OLDEST_KEPT, JUST_DROPPED, enriched("c")])
@example(deliveries=[enriched("c"), JUST_DROPPED, OLDEST_KEPT])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hash_of_a_product_holds_what_the_fold_holds(
    run: Run, store: RedisSummaryStore, client: Redis, generation: int, deliveries: list[EnrichedReview]
) -> None:
    """Also what no reader sees: the oldest hours kept, and how many reviews a text's renewal counts from."""
    keys = Keys(NAMESPACE, generation).product("p")
    client.delete(*keys)
    state = ProductState("p")
    for event in deliveries:
        state.apply(event)
    run(store.apply(deliveries, NOW_MS))

    held = {review_id.decode(): unpack_contribution(one) for review_id, one in client.hgetall(keys.reviews).items()}
    assert unpack_state("p", client.hgetall(keys.state)) == replace(state, held={}, sentences={})
    assert held == state.held
    assert client.hlen(keys.sentences) == client.zcard(keys.sentence_times) == len(state.sentences)


def test_reading_many_products_is_one_round_trip(run: Run, store: RedisSummaryStore, client: Redis) -> None:
    products = [f"p{n}" for n in range(50)]
    run(store.apply([enriched("r", product_id) for product_id in products], NOW_MS))
    sent: list[int] = []
    send = store._server._send

    async def counted(commands: list[tuple[object, ...]]) -> list[object]:
        sent.append(len(commands))
        return await send(commands)

    store._server._send = counted  # type: ignore[method-assign, assignment]
    summaries = run(store.read(products, NOW_MS))
    assert [one.product_id for one in summaries] == products
    assert sent == [50]
