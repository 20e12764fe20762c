"""Refusals, slowness and broken connections: each is an outage while it lasts, and the same call works after it.

On a real server of each test's own, behind a proxy.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis, exceptions

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import StoreUnavailable
from stream_app.settings import Settings
from stream_app.store import server as store_server
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import NOW_MS, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import Opener
from tests.reliability.testbed.proxy import FaultsSeen, Proxy
from tests.reliability.testbed.valkeys import client_of, server_in
from tests.waiting import wait_until

pytestmark = pytest.mark.store
TIMEOUT_SECONDS = 1.0
MANY = [enriched(f"r{n}", f"p{n % 50}") for n in range(200)]


@pytest.fixture
def proxy(fresh_valkey: EmbeddedValkey) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", fresh_valkey.port) as running:
        yield running


@pytest.fixture
def store(proxy: Proxy, open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> RedisSummaryStore:
    """Through the proxy, and less patient with a slow answer than by default."""
    monkeypatch.setattr(store_server, "TIMEOUT_SECONDS", TIMEOUT_SECONDS)
    return open_store(f"redis://{proxy.address}/0", begun=True)


@pytest.fixture
def admin(fresh_valkey: EmbeddedValkey) -> Iterator[Redis]:
    with client_of(fresh_valkey) as client:
        yield client


def apply(run: Run, store: RedisSummaryStore, review_id: str) -> list[bool]:
    return [one.changed for one in run(store.apply([enriched(review_id)], NOW_MS))]


def counted(run: Run, store: RedisSummaryStore, product_id: str = "p") -> int:
    [summary] = run(store.read([product_id], NOW_MS))
    return summary.windows["all"].reviews if summary else 0


# ---- refusals


@dataclass(frozen=True)
class Refusal:
    """How a server comes to refuse, what it says then, and how it recovers."""

    says: str
    begins: Callable[[Redis], object]
    ends: Callable[[Redis], object]
    reads_too: bool = False


def configured(name: str, bad: str | int, good: str | int, says: str) -> Refusal:
    return Refusal(says, lambda admin: admin.config_set(name, bad), lambda admin: admin.config_set(name, good))


def become_a_stranded_replica(admin: Redis) -> None:
    admin.config_set("replica-serve-stale-data", "no")
    admin.execute_command("REPLICAOF", "127.0.0.1", 1)


REFUSALS = {
    "full": configured("maxmemory", 1, 0, "maxmemory"),
    "too few replicas": configured("min-replicas-to-write", 1, 0, "NOREPLICAS|enough good replicas"),
    "read-only replica": Refusal(
        "read only|READONLY",
        lambda admin: admin.execute_command("REPLICAOF", "127.0.0.1", 1),
        lambda admin: admin.execute_command("REPLICAOF", "NO", "ONE"),
    ),
    "replica without its primary": Refusal(
        "MASTER is down",
        become_a_stranded_replica,
        lambda admin: admin.execute_command("REPLICAOF", "NO", "ONE"),
        reads_too=True,
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_server_that_refuses_is_unavailable_until_it_takes_the_same_call(
    run: Run, store: RedisSummaryStore, admin: Redis, refusal: Refusal
) -> None:
    assert apply(run, store, "r1") == [True]
    refusal.begins(admin)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=refusal.says):
            apply(run, store, "r2")
    if refusal.reads_too:
        with pytest.raises(StoreUnavailable, match=refusal.says):
            counted(run, store)
    else:
        assert counted(run, store) == 1, "nothing is half applied"

    refusal.ends(admin)
    assert apply(run, store, "r2") == [True]
    assert counted(run, store) == 2


def test_server_that_was_a_replica_meanwhile_has_another_server_identity(
    run: Run, store: RedisSummaryStore, admin: Redis
) -> None:
    """The same process, but what only it had may be gone; and while it is a replica, it vouches for nothing."""
    before = run(store.server_identity())
    admin.execute_command("REPLICAOF", "127.0.0.1", 1)
    with pytest.raises(StoreUnavailable, match="a replica answers"):
        run(store.server_identity())

    admin.execute_command("REPLICAOF", "NO", "ONE")
    assert run(store.server_identity()) != before


def test_server_that_cannot_write_its_dump_refuses_and_recovers(
    run: Run, store: RedisSummaryStore, admin: Redis, tmp_path: Path
) -> None:
    """MISCONF: what a full disk leads to, where snapshots are switched on."""
    in_the_way = tmp_path / "valkey" / "dump.rdb" / "a folder"
    in_the_way.mkdir(parents=True)
    assert apply(run, store, "r1") == [True]
    admin.config_set("save", "3600 1")
    admin.bgsave()
    wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err", 30, "the snapshot fails")
    with pytest.raises(StoreUnavailable, match="MISCONF"):
        apply(run, store, "r2")

    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    admin.bgsave()
    wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "ok", 30, "the snapshot succeeds")
    assert apply(run, store, "r2") == [True]


def test_server_that_is_busy_with_somebodys_script_is_unavailable_until_it_is_killed(
    run: Run, store: RedisSummaryStore, admin: Redis, fresh_valkey: EmbeddedValkey
) -> None:
    def run_for_ever() -> None:
        with client_of(fresh_valkey) as other, suppress(exceptions.ResponseError):  # killed
            other.eval("while true do end", 0)

    assert apply(run, store, "r1") == [True]
    admin.config_set("lua-time-limit", 50)
    script = threading.Thread(target=run_for_ever)
    script.start()
    wait_until(lambda: is_busy(admin), 30, "the server says that it is busy")
    with pytest.raises(StoreUnavailable, match="BUSY"):
        apply(run, store, "r2")

    admin.script_kill()
    script.join()
    assert apply(run, store, "r2") == [True]


def is_busy(admin: Redis) -> bool:
    try:
        admin.ping()
    except exceptions.ResponseError as error:
        return str(error).startswith("BUSY")
    return False


def test_server_that_still_loads_is_unavailable(run: Run, open_store: Opener, tmp_path: Path) -> None:
    """It takes connections while it reads its data."""
    slowly: dict[str, object] = {
        "key-load-delay": 500,
        "loading-process-events-interval-bytes": 1024,
    }  # microseconds per key
    server = server_in(tmp_path / "slow", slowly)
    server.start()
    try:
        store = open_store(server.url)
        run(store.apply([enriched("r", f"p{n}") for n in range(500)], NOW_MS))
        with client_of(server) as admin:
            admin.bgrewriteaof()
            wait_until(lambda: not admin.info("persistence")["aof_rewrite_in_progress"], 30, "the file is rewritten")
        server.stop()
        said: list[str] = []
        loaded = threading.Event()
        asking = threading.Thread(target=ask_until, args=(server.url, loaded, said))
        asking.start()
        server.start()
        loaded.set()
        asking.join()
        assert [one for one in said if "loading" in one.lower()] != []
        assert [changed.changed for changed in run(store.apply([enriched("r", "p1")], NOW_MS))] == [False]
    finally:
        server.stop()


def ask_until(url: str, end: threading.Event, said: list[str]) -> None:
    """Note what a store raises, with a new connection for each call: only an outage is allowed."""

    async def ask() -> None:
        store = RedisSummaryStore.from_settings(Settings(redis=url, generation=1))
        try:
            await store.read(["p"], NOW_MS)
        except StoreUnavailable as error:
            said.append(str(error))
        finally:
            await store.close()

    while not end.is_set():
        asyncio.run(ask())
        time.sleep(0.01)


def test_scripts_that_are_flushed_again_and_again_are_an_outage_not_a_bug(
    run: Run, store: RedisSummaryStore, admin: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a replica takes over right after the scripts were loaded into its primary."""
    send = store._server._send

    async def flush_and_send(commands: list[tuple[object, ...]]) -> list[object]:
        admin.script_flush()
        return await send(commands)

    with monkeypatch.context() as flushed:
        flushed.setattr(store._server, "_send", flush_and_send)
        with pytest.raises(StoreUnavailable, match="No matching script"):
            apply(run, store, "r1")
    assert apply(run, store, "r1") == [True]


# ---- a network that fails


@pytest.mark.parametrize("answer_bytes", [0, 1, 700])
def test_connection_that_breaks_in_the_middle_of_the_answers_costs_nothing(
    run: Run, store: RedisSummaryStore, proxy: Proxy, answer_bytes: int
) -> None:
    """The whole pipeline is sent again, once, and changes nothing more."""
    run(store.apply([enriched()], NOW_MS))
    proxy.reset_after(answer_bytes)

    assert len(run(store.apply(MANY, NOW_MS))) == 200
    assert proxy.faults_seen == FaultsSeen(reset=1)
    summaries = run(store.read([f"p{n}" for n in range(50)], NOW_MS))
    assert [one.windows["all"].reviews for one in summaries] == [4] * 50


def test_connection_that_is_cut_is_an_outage_until_it_is_restored(
    run: Run, store: RedisSummaryStore, proxy: Proxy
) -> None:
    assert apply(run, store, "r1") == [True]
    proxy.cut()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            apply(run, store, "r2")
    assert proxy.faults_seen.refused > 0

    proxy.heal()
    assert apply(run, store, "r2") == [True]


@pytest.mark.parametrize("late", [False, True], ids=["swallowed", "late"])
def test_partition_is_an_outage_that_ends_with_the_timeout(
    run: Run, store: RedisSummaryStore, proxy: Proxy, late: bool
) -> None:
    """A request in flight may arrive afterwards. It was only late, and counts once."""
    assert apply(run, store, "r1") == [True]
    proxy.blackhole(late=late)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        apply(run, store, "r2")
    assert TIMEOUT_SECONDS <= time.monotonic() - began < 30 * TIMEOUT_SECONDS
    assert proxy.faults_seen.total > 0

    proxy.heal()
    apply(run, store, "r2")
    assert counted(run, store) == 2
    assert apply(run, store, "r2") == [False]


def test_answer_that_is_lost_is_an_outage_and_its_call_counts_once(
    run: Run, store: RedisSummaryStore, proxy: Proxy, admin: Redis
) -> None:
    assert apply(run, store, "r1") == [True]
    proxy.blackhole(requests=False)
    with pytest.raises(StoreUnavailable):
        apply(run, store, "r2")

    proxy.heal()
    assert counted(run, store) == 2, "the server did it"
    assert apply(run, store, "r2") == [False]


def test_answers_slower_than_the_timeout_are_an_outage_and_never_taken_for_those_of_a_later_call(
    run: Run, store: RedisSummaryStore, proxy: Proxy
) -> None:
    for n in range(3):
        run(store.apply([enriched(f"r{i}", f"p{n}") for i in range(n + 1)], NOW_MS))
    proxy.delay(TIMEOUT_SECONDS)
    for n in range(3):
        with pytest.raises(StoreUnavailable):
            counted(run, store, f"p{n}")
    assert proxy.faults_seen.delayed > 0

    proxy.heal()
    assert [counted(run, store, f"p{n}") for n in (2, 0, 1)] == [3, 1, 2]


def test_answers_faster_than_the_timeout_are_only_slow(run: Run, store: RedisSummaryStore, proxy: Proxy) -> None:
    """One round trip for 200 events, and one for their products: not one for each."""
    run(store.apply([enriched()], NOW_MS))
    proxy.delay(TIMEOUT_SECONDS / 4)
    began = time.monotonic()

    assert len(run(store.apply(MANY, NOW_MS))) == 200
    assert time.monotonic() - began < 20 * TIMEOUT_SECONDS, "a trip for each takes 100"


@pytest.mark.parametrize("mode", ["ALL", "WRITE"])
def test_server_whose_clients_are_paused_is_away_until_they_may_go_on(
    run: Run, store: RedisSummaryStore, admin: Redis, mode: str
) -> None:
    """As during a planned fail-over. What was sent meanwhile is done when the pause ends."""
    assert apply(run, store, "r1") == [True]
    admin.execute_command("CLIENT", "PAUSE", 5_000, mode)
    with pytest.raises(StoreUnavailable):
        apply(run, store, "r2")

    admin.set("somebody", "waits until the pause ends")
    apply(run, store, "r2")
    assert counted(run, store) == 2


def test_server_with_too_many_clients_is_away(run: Run, store: RedisSummaryStore, admin: Redis) -> None:
    admin.config_set("maxclients", 1)
    with pytest.raises(StoreUnavailable):
        apply(run, store, "r1")

    admin.config_set("maxclients", 1000)
    assert apply(run, store, "r1") == [True]
