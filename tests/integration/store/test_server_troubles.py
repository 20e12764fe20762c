"""Servers that stop, refuse, are full or read-only: what the store makes of them, on a server of each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from stream_app import telemetry
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.records import Alert, Position, ProductText
from stream_app.settings import Settings
from stream_app.steps.delivery_queue import Addition, ReceiverState, Waiting
from stream_app.store.deliveries import DeliveryQueues
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import NOW_MS, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import Opener

pytestmark = pytest.mark.store


@pytest.fixture
def store(fresh_valkey: EmbeddedValkey, open_store: Opener) -> RedisSummaryStore:
    return open_store(fresh_valkey.url, begun=True)


@pytest.fixture
def admin(fresh_valkey: EmbeddedValkey) -> Iterator[Redis]:
    with Redis.from_url(fresh_valkey.url) as client:
        yield client


def reviews(run: Run, store: RedisSummaryStore) -> int:
    [summary] = run(store.read(["p"], NOW_MS))
    return summary.windows["all"].reviews if summary else 0


def test_stopped_server_is_unavailable_and_works_again_after_its_restart(
    run: Run, store: RedisSummaryStore, fresh_valkey: EmbeddedValkey
) -> None:
    run(store.apply([enriched("r1")], NOW_MS))
    before = run(store.server_identity())
    assert run(store.server_identity()) == before
    fresh_valkey.stop()
    for call in (
        lambda: store.apply([enriched("r2")], NOW_MS),
        lambda: store.read(["p"], NOW_MS),
        store.check,
        store.server_identity,
    ):
        with pytest.raises(StoreUnavailable):
            run(call())

    fresh_valkey.start()
    assert run(store.server_identity()) != before
    assert [one.changed for one in run(store.apply([enriched("r1"), enriched("r2")], NOW_MS))] == [False, True]
    assert reviews(run, store) == 2


def test_server_that_would_forget_is_refused(run: Run, store: RedisSummaryStore, admin: Redis) -> None:
    run(store.check())
    admin.config_set("maxmemory-policy", "allkeys-lru")
    run(store.check())  # without a limit of memory nothing is evicted
    admin.config_set("maxmemory", "1gb")

    with pytest.raises(ConfigurationError, match="CONFIG SET maxmemory-policy noeviction"):
        run(store.check())


def test_server_without_an_append_only_file_is_warned_of(
    run: Run, store: RedisSummaryStore, admin: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(telemetry, "store_is_not_durable", lambda: warned.append("not durable"))
    run(store.check())
    assert warned == []

    admin.config_set("appendonly", "no")
    run(store.check())
    assert warned == ["not durable"]


def test_full_server_is_unavailable_and_nothing_is_half_applied(
    run: Run, store: RedisSummaryStore, admin: Redis
) -> None:
    run(store.apply([enriched("r1")], NOW_MS))
    admin.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="maxmemory"):
        run(store.apply([enriched("r2", created_at_ms=NOW_MS + 1)], NOW_MS))
    [summary] = run(store.read(["p"], NOW_MS))
    assert summary is not None
    assert (summary.windows["all"].reviews, summary.last_review_at_ms) == (1, NOW_MS)

    admin.config_set("maxmemory", 0)
    run(store.apply([enriched("r2")], NOW_MS))
    assert reviews(run, store) == 2


def test_demoted_server_is_unavailable_and_left_for_a_new_connection(
    run: Run, store: RedisSummaryStore, admin: Redis
) -> None:
    """The name in the URL may lead to the new primary by now; an open connection would stay with the old one."""

    def connections() -> set[str]:
        return {client["id"] for client in admin.client_list()} - {str(admin.client_id())}

    run(store.apply([enriched("r1")], NOW_MS))
    before = connections()
    admin.execute_command("REPLICAOF", "127.0.0.1", 1)
    with pytest.raises(StoreUnavailable):
        run(store.apply([enriched("r2")], NOW_MS))
    admin.execute_command("REPLICAOF", "NO", "ONE")

    run(store.apply([enriched("r2")], NOW_MS))
    assert reviews(run, store) == 2
    assert before
    assert not before & connections()


def test_wrong_password_is_refused_with_what_to_do(
    run: Run, fresh_valkey: EmbeddedValkey, open_store: Opener, admin: Redis
) -> None:
    admin.acl_setuser("someone", enabled=True, passwords=["+secret"], categories=["+@all"], keys=["*"])
    right = fresh_valkey.url.replace("redis://", "redis://someone:secret@")
    run(open_store(right).check())

    with pytest.raises(ConfigurationError, match="Check user and password"):
        run(open_store(right.replace("secret", "wrong")).check())


def test_user_of_a_managed_server_needs_no_administration_commands(
    run: Run, fresh_valkey: EmbeddedValkey, open_store: Opener, admin: Redis
) -> None:
    """Exactly the rights that the error message of a refusal names."""
    named = ["+@hash", "+@sortedset", "+@set", "+@scripting", "+@connection"]
    commands = ["+info", "+exists", "+get", "+set", "+del"]
    admin.acl_setuser("app", enabled=True, passwords=["+pw"], categories=named, commands=commands, keys=["*"])
    url = fresh_valkey.url.replace("redis://", "redis://app:pw@")
    store = open_store(url)
    run(alerts_wait(url))

    run(store.check())
    run(store.apply([enriched()], NOW_MS))
    assert reviews(run, store) == 1
    assert [one.product_id for one in run(store.claim_due(NOW_MS, 1, 0, 1000))] == ["p"]
    text = ProductText("Fine", "It is fine.", "none", (), None, NOW_MS)
    assert run(store.write_text("p", text, {}))

    admin.acl_setuser("app", commands=["-hset"])
    with pytest.raises(ConfigurationError, match=r"'hset'|can't run this command"):  # within a script
        run(store.apply([enriched("r2")], NOW_MS))
    admin.acl_setuser("app", commands=["-info"])
    with pytest.raises(ConfigurationError, match=" ".join(named + commands).replace("+", r"\+")):
        run(store.check())


async def alerts_wait(url: str) -> None:
    """Every call on the queues of alerts."""
    queues = DeliveryQueues.from_settings(Settings(_env_file=None, redis=url))
    waiting = Waiting(Alert("a", "safety", "critical", "p", 1, 1), Position("alerts", 0, 0), 1, 1, 1)
    assert await queues.hold("r", "one", 1000)
    assert await queues.cool_downs([("r", "k")]) == [None]
    assert await queues.handled([("r", waiting.ref)]) == [False]
    assert await queues.add([Addition("r", waiting, None, ("k", 9)), Addition("r", waiting, "cool_down")], 1)
    assert await queues.due("r", 1, 9) == await queues.expired("r", 2, 9) == await queues.least("r", 9) == [waiting]
    assert await queues.end_round("r", "one", [([waiting], 5)], ReceiverState())
    await queues.remove("r", [waiting.ref], counted={"cool_down": 1}, given_up=True)
    await queues.note("r", ReceiverState(1))
    assert (await queues.status("r")).state.failures == 1
    await queues.release("r", "one")
    assert await queues.receivers() == ["r"]
    await queues.forget("r")
    assert await queues.receivers() == []
    await queues.close()
