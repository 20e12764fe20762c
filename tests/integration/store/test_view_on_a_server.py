"""The view on a shared server: generations, scripts that were forgotten, outboxes, several processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import Applied, DueProduct
from stream_app.records import Alert, EnrichedReview, ProductText
from stream_app.steps.fold import ProductState
from stream_app.store.keys import MAX_RECENT_ALERTS, Keys, due_shard
from stream_app.store.packing import unpack_aspect_ids, unpack_contribution, unpack_state
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


def claim(run: Run, store: RedisSummaryStore, now_ms: int = NOW_MS) -> list[str]:
    """Products whose text is due."""
    return [one.product_id for one in run(store.claim_due(now_ms, 10, 0, LEASE_MS))]


def test_generations_share_nothing(run: Run, valkey: str, open_store: Opener, generation: int) -> None:
    old, new = open_store(valkey, generation=generation), open_store(valkey, generation=generation + 1)
    run(old.apply([enriched()], NOW_MS))

    assert run(new.read(["p"], NOW_MS)) == [None]
    assert run(new.product_ids(10)) == []
    assert claim(run, new) == []
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
    claim(run, store)

    assert {key for key in set(client.scan_iter(count=1000)) - before if f"g{generation}:".encode() not in key} == set()


def test_scripts_that_the_server_forgot_are_loaded_again(run: Run, store: RedisSummaryStore, client: Redis) -> None:
    run(store.apply([enriched("r1")], NOW_MS))
    client.script_flush()

    assert [one.changed for one in run(store.apply([enriched("r1"), enriched("r2")], NOW_MS))] == [False, True]
    client.script_flush()
    assert claim(run, store) == ["p"]


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
    assert [one for one, _ in apply("r3", "z").outbox] == ["z", "a"], "the same alert once"
    [redelivered] = run(store.apply([enriched("r1")], NOW_MS))
    assert (redelivered.changed, [one for one, _ in redelivered.outbox]) == (False, ["z", "a"])

    run(store.clear_outbox("p", ["z"]))
    [redelivered] = run(store.apply([enriched("r1")], NOW_MS))
    assert redelivered.outbox == (("a", b'{"n": "1 2"}'),)
    run(store.clear_outbox("p", []))


@pytest.mark.parametrize("event", [enriched("a b", revision=1, kind="edited"), deletion("a b")])
def test_outbox_loses_the_alerts_of_a_review_that_was_edited_or_deleted(
    run: Run, store: RedisSummaryStore, event: EnrichedReview
) -> None:
    """They would publish its words."""
    raised = [("a b", "of a b"), ("b", "of b"), ("a", "of a")]
    run(store._server.run([apply_command(store._keys, enriched(one), alert, b"{}") for one, alert in raised]))

    [applied] = run(store.apply([event], NOW_MS))
    assert [one for one, _ in applied.outbox] == ["of b", "of a"]


def test_words_of_alerts_beyond_the_limit_are_dropped(
    run: Run, store: RedisSummaryStore, client: Redis, generation: int
) -> None:
    """Each product keeps the words of recent alerts alone; a later alert of the same review keeps its words."""
    keys = Keys(NAMESPACE, generation)
    first = Alert("first", "negative_review", "info", "p", NOW_MS, NOW_MS, "r", 0, sentence="It smokes.")
    later = replace(first, alert_id="later", severity="critical", raised_at_ms=NOW_MS + 10_000)
    run(store.record_alerts([first, replace(first, alert_id="other", review_id="s", raised_at_ms=NOW_MS + 1), later]))
    assert client.hlen(keys.product("p").alert_words) == 2
    flood = [
        replace(first, alert_id=str(n), product_id="q", review_id=str(n), raised_at_ms=NOW_MS + 2 + n)
        for n in range(MAX_RECENT_ALERTS - 1)
    ]
    run(store.record_alerts(flood))
    assert client.hkeys(keys.product("p").alert_words) == [b"r"]
    assert run(store.recent_alerts(1)) == [later]

    run(store.record_alerts([first, *flood]))  # all delivered again
    assert client.hlen(keys.product("q").alert_words) == MAX_RECENT_ALERTS - 1
    assert client.hlen(keys.alerts) == client.zcard(keys.alert_times) == MAX_RECENT_ALERTS
    run(
        store.record_alerts(
            [
                replace(one, alert_id=f"x{one.alert_id}", product_id="z", raised_at_ms=NOW_MS + 10**6)
                for one in [first, *flood]
            ]
        )
    )
    assert not client.exists(keys.product("q").alert_words, keys.product("p").alert_words)


def test_processes_that_claim_at_once_share_the_products(
    run: Run, valkey: str, open_store: Opener, generation: int
) -> None:
    stores = [open_store(valkey, generation=generation) for _ in range(4)]
    products = {f"p{n}" for n in range(150)}
    run(stores[0].apply([enriched("r", product_id) for product_id in products], NOW_MS))

    async def claim_all() -> list[list[DueProduct]]:
        return await asyncio.gather(*(one.claim_due(NOW_MS, 1000, 0, LEASE_MS) for one in stores))

    claimed = [one.product_id for kept in run(claim_all()) for one in kept]
    assert sorted(claimed) == sorted(products)


def test_late_finisher_does_not_end_the_lease_of_its_successor(
    run: Run, valkey: str, open_store: Opener, generation: int
) -> None:
    late, successor = open_store(valkey, generation=generation), open_store(valkey, generation=generation)
    run(late.apply([enriched()], NOW_MS))
    assert claim(run, late) == ["p"]
    ended = NOW_MS + LEASE_MS
    assert claim(run, successor, ended) == ["p"]

    run(late.finish_due({"p": 1}, ended))
    assert claim(run, late, ended + LEASE_MS) == ["p"], "the successor died: its lease must have stood"


def test_review_applied_by_a_process_that_died_before_it_entered_the_due_keeps_the_product_due(
    run: Run, store: RedisSummaryStore
) -> None:
    run(store.apply([enriched()], NOW_MS))
    claim(run, store)
    run(store._server.run([apply_command(store._keys, enriched("r2"))]))

    run(store.finish_due({"p": 1}, NOW_MS))
    claimed = run(store.claim_due(NOW_MS + 50_000, 0, 1, LEASE_MS))
    assert [one.product_id for one in claimed] == ["p"]


def test_redelivered_review_enters_its_product_among_the_due(run: Run, store: RedisSummaryStore) -> None:
    """A process died between the apply and the entry: nothing else would ever find that its text is due."""
    run(store._server.run([apply_command(store._keys, enriched())]))
    assert claim(run, store) == []

    [redelivered] = run(store.apply([enriched()], NOW_MS))
    assert not redelivered.changed
    assert claim(run, store) == ["p"]


def test_lease_that_is_given_back_puts_off_nothing_that_is_due_earlier(
    run: Run, store: RedisSummaryStore, client: Redis, generation: int
) -> None:
    """A review came while the product's counts were published: looked at when it came, not an interval later."""
    at = NOW_MS + 50_000
    run(store.apply([enriched("r1")], NOW_MS))
    claim(run, store)
    assert run(store.write_text("p", ProductText("", "", "none", (), None, NOW_MS), {}))
    run(store.finish_due({"p": 2}, NOW_MS))
    run(store.apply([enriched("r2")], NOW_MS))
    assert len(run(store.claim_due(at, 0, 1, LEASE_MS))) == 1
    run(store.apply([enriched("r3")], at + 1))
    run(store.finish_due({"p": 3}, at))

    due = Keys(NAMESPACE, generation).due(due_shard("p"))
    assert client.zscore(due, "p") == at + 1


def test_product_that_was_published_after_its_lease_ended_is_published_again(
    run: Run, fresh_valkey: EmbeddedValkey, open_store: Opener
) -> None:
    """A stalled process publishes a summary that quotes a review which was deleted meanwhile, after the next one."""
    stalled, other = open_store(fresh_valkey.url), open_store(fresh_valkey.url)
    run(stalled.apply([enriched("r1"), enriched("r2")], NOW_MS))
    claim(run, stalled)
    [late] = run(stalled.read(["p"], NOW_MS))
    run(other.apply([deletion("r1")], NOW_MS + 1))
    at = NOW_MS + LEASE_MS + 1
    assert claim(run, other, at) == ["p"]
    assert run(other.write_text("p", ProductText("", "", "none", (), None, at), {}))
    [newer] = run(other.read(["p"], at))
    run(other.finish_due({"p": newer.state_version}, at))
    durable = at + 10 * LEASE_MS
    for again in run(other.claim_due(durable, 10, 10, LEASE_MS)):  # looked at once more, when it is durable
        run(other.finish_due({again.product_id: newer.state_version}, durable))
    assert run(other.claim_due(durable + 10 * LEASE_MS, 10, 10, LEASE_MS)) == []

    run(stalled.finish_due({"p": late.state_version}, durable))

    assert [one.product_id for one in run(other.claim_due(durable + 10 * LEASE_MS, 10, 10, LEASE_MS))] == ["p"]


def test_product_that_the_server_dropped_is_not_entered_again(
    run: Run, store: RedisSummaryStore, client: Redis, generation: int
) -> None:
    """A rebuild dropped the generation, or the server came back empty, while `describe` was stopped."""
    run(store.apply([enriched("r1")], NOW_MS))
    claim(run, store)
    for key in client.scan_iter(Keys(NAMESPACE, generation).all):
        client.delete(key)

    run(store.finish_due({"p": 1}, NOW_MS))

    assert list(client.scan_iter(Keys(NAMESPACE, generation).all)) == []


def test_leased_products_that_became_due_again_hide_no_other(run: Run, valkey: str, generation: int) -> None:
    server, keys = Server(valkey, SCRIPTS), Keys(NAMESPACE, generation)
    shard = (keys.due(0), keys.leased(0), keys.unfinished(0))
    claim_one = CLAIM_DUE.call(shard, (10, 1, 20, 10**9))

    [_, claimed] = run(server.run([("ZADD", shard[0], 1, "busy"), claim_one]))
    [_, next_claimed] = run(server.run([("ZADD", shard[0], 1, "busy", 2, "other"), claim_one]))
    run(server.close())
    assert (claimed, next_claimed) == ([b"busy"], [b"other"])


OLDEST_KEPT = enriched("a", created_at_ms=NOW_MS // DAY_MS * DAY_MS - 37 * DAY_MS)
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

    reviews: Any = client.hgetall(keys.reviews)
    fields: Any = client.hgetall(keys.state)
    aspect_ids = unpack_aspect_ids(fields)
    held = {review_id.decode(): unpack_contribution(one, aspect_ids) for review_id, one in reviews.items()}
    assert unpack_state("p", fields) == replace(state, held={}, sentences={})
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
    assert sent == [100], "the state and the sentences of each"


def test_text_that_a_failover_lost_is_made_again(
    run: Run, store: RedisSummaryStore, client: Redis, generation: int
) -> None:
    """In a cluster another server holds the due set, which remembers that the text was made."""
    state, durable_at = Keys(NAMESPACE, generation).product("p").state, NOW_MS + 5000
    run(store.apply([enriched(f"r{number}") for number in range(4)], NOW_MS))
    before = client.dump(state)
    for lost in (True, False):
        assert claim(run, store, durable_at if not lost else NOW_MS) == ["p"]
        assert run(store.write_text("p", ProductText("", "", "none", (), None, NOW_MS), {}))
        [summary] = run(store.read(["p"], NOW_MS))
        assert summary is not None
        run(store.finish_due({"p": summary.state_version}, NOW_MS))
        if lost:
            assert before is not None
            client.restore(state, 0, before, replace=True)
    assert claim(run, store, durable_at) == []
