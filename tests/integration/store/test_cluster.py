"""The view on a cluster of three masters and three replicas, whose masters die and change places.

What every store does is tested on it too, by tests/behaviour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest

from stream_app import contract
from stream_app.ports import InFlightRecord, StoreUnavailable
from stream_app.records import LABELS, EnrichedReview, ProductSummary
from stream_app.retry import Retry
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.steps.fold import ProductState
from stream_app.steps.product_summary import summarize
from stream_app.store import server as store_server
from stream_app.store.keys import Keys
from stream_app.store.summaries import RedisSummaryStore
from stream_app.testing.kafka import FakeAcks, FakePublisher, in_flight_of
from tests.behaviour.enriched import NOW_MS, deletion, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import NAMESPACE, Opener
from tests.reliability.testbed.valkey_cluster import ValkeyCluster
from tests.reliability.testbed.valkeys import FailOver, client_of
from tests.waiting import wait_until, wait_until_async

pytestmark = [pytest.mark.store, pytest.mark.xdist_group("cluster")]
PRODUCTS = [f"p{n}" for n in range(40)]
SETTLE_SECONDS = 2.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    with ValkeyCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: ValkeyCluster) -> Iterator[ValkeyCluster]:
    """All six nodes run; a test may kill some of them."""
    yield running
    running.restart_dead()


@pytest.fixture
def store(cluster: ValkeyCluster, open_store: Opener, generation: int) -> RedisSummaryStore:
    return open_store(cluster.url, redis_cluster=True, generation=generation, begun=True)


def shard_of(cluster: ValkeyCluster, product_id: str, generation: int) -> int:
    return cluster.shard_of(Keys(NAMESPACE, generation).product(product_id).state)


def test_products_are_spread_over_the_masters(
    run: Run, cluster: ValkeyCluster, store: RedisSummaryStore, generation: int
) -> None:
    run(store.check())
    applied = run(store.apply([enriched("r", product_id) for product_id in [*PRODUCTS, "p0"]], NOW_MS))
    assert [one.changed for one in applied] == [True] * 40 + [False]
    assert [one.windows["all"].reviews for one in run(store.read(PRODUCTS, NOW_MS))] == [1] * 40
    assert sorted(run(store.product_ids(100))) == sorted(PRODUCTS)
    assert sorted(one.product_id for one in run(store.claim_due(NOW_MS, 100, 0, 1000))) == sorted(PRODUCTS)

    assert {shard_of(cluster, product_id, generation) for product_id in PRODUCTS} == {0, 1, 2}
    for shard in range(3):
        with client_of(cluster.master(shard)) as master:
            assert master.dbsize() > 20


def test_scripts_that_the_masters_forgot_are_loaded_again(
    run: Run, cluster: ValkeyCluster, store: RedisSummaryStore
) -> None:
    run(store.apply([enriched("r1", product_id) for product_id in PRODUCTS], NOW_MS))
    for shard in range(3):
        with client_of(cluster.master(shard)) as master:
            master.script_flush()

    applied = run(store.apply([enriched(one, product_id) for product_id in PRODUCTS for one in ("r1", "r2")], NOW_MS))
    assert [one.changed for one in applied] == [False, True] * 40


def test_server_identity_names_every_master_and_stays_while_they_do(run: Run, store: RedisSummaryStore) -> None:
    before = run(store.server_identity())
    run(store.apply([enriched("r", product_id) for product_id in PRODUCTS], NOW_MS))

    assert len(set(before.split())) == 3
    assert run(store.server_identity()) == before


def test_lost_master_makes_its_products_unavailable_until_its_replica_takes_over(
    run: Run, cluster: ValkeyCluster, store: RedisSummaryStore
) -> None:
    """Also for a client that looked away meanwhile: it meets a dead node first."""
    run(store.apply([enriched("r", product_id) for product_id in PRODUCTS], NOW_MS))
    before = run(store.server_identity())
    killed = cluster.master(0)
    with client_of(cluster.replica(0)) as replica:  # it may take over before we have looked, on a slow machine
        replica.config_set("cluster-replica-no-failover", "yes")
        killed.kill()
        for call in (lambda: store.read(PRODUCTS, NOW_MS), store.server_identity):
            with pytest.raises(StoreUnavailable):
                run(call())
        replica.config_set("cluster-replica-no-failover", "no")

    wait_until(lambda: cluster.master(0) is not killed, 20, "the replica takes over")
    cluster.restart_dead()
    assert [one.windows["all"].reviews for one in run(store.read(PRODUCTS, NOW_MS))] == [1] * 40
    assert len(set(before.split()) & set(run(store.server_identity()).split())) == 2


def test_unannounced_fail_over_changes_the_server_identity(
    run: Run, cluster: ValkeyCluster, store: RedisSummaryStore
) -> None:
    """The client was idle, and the former master lives and answers: it was a partition, or an operator's order."""
    before = run(store.server_identity())
    cluster.change_places(0)

    with pytest.raises(StoreUnavailable, match="a replica answers"):
        run(store.server_identity())
    assert len(set(before.split()) & set(run(store.server_identity()).split())) == 2


@pytest.mark.slow
def test_master_that_froze_and_wakes_up_as_a_replica_is_not_taken_for_the_one_it_was(
    run: Run, cluster: ValkeyCluster, open_store: Opener, generation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client waits for it in vain, finds its heir, and the order of things is the same as after a death."""
    monkeypatch.setattr(store_server, "TIMEOUT_SECONDS", 0.5)
    store = open_store(cluster.url, redis_cluster=True, generation=generation)
    shard = shard_of(cluster, "p0", generation)
    run(store.apply([enriched("r1", product_id) for product_id in PRODUCTS], NOW_MS))
    before = run(store.server_identity())

    with cluster.frozen_master(shard):
        applied = run(Retry("redis", 30)(lambda: store.apply([enriched("r2", one) for one in PRODUCTS], NOW_MS)))
        assert len(applied) == 40
        assert len(set(before.split()) & set(run(store.server_identity()).split())) == 2
    assert [one.windows["all"].reviews for one in run(store.read(PRODUCTS, NOW_MS))] == [2] * 40
    assert len(set(before.split()) & set(run(store.server_identity()).split())) == 2


def test_master_that_was_a_replica_meanwhile_has_another_server_identity(
    run: Run, cluster: ValkeyCluster, store: RedisSummaryStore
) -> None:
    """It threw away what only it had when it followed the other: the same process, not the same data."""
    before = run(store.server_identity())
    cluster.change_places(1)
    cluster.change_places(1)

    assert len(set(before.split()) & set(run(store.server_identity()).split())) == 2


def counts(summaries: Iterable[ProductSummary | None]) -> list[object]:
    """What of the view depends on no order of arrival."""
    return [(one.product_id, one.windows, one.last_review_at_ms) if one else None for one in summaries]


class Traffic:
    """Events of many products without end: reviews, edits, deletions, some twice; and what they must add up to."""

    def __init__(self) -> None:
        self.states = {product_id: ProductState(product_id) for product_id in PRODUCTS}
        self._number = 0

    def next(self, count: int) -> list[EnrichedReview]:
        """The next events, which count from now on."""
        events = [event for _ in range(count) for event in self._event()]
        for event in events:
            self.states[event.product_id].apply(event)
        return events

    def _event(self) -> list[EnrichedReview]:
        self._number += 1
        number, product_id = self._number // len(PRODUCTS), PRODUCTS[self._number % len(PRODUCTS)]
        review = enriched(f"r{number}", product_id, label=LABELS[number % 3], rating=1 + number % 5)
        earlier = f"r{number // 2}"
        match number % 5:
            case 1:
                return [review, enriched(earlier, product_id, revision=number, kind="edited", rating=1)]
            case 2:
                return [deletion(earlier, product_id, revision=number), review]
            case 3:
                return [review, review]
        return [review]

    def expected(self) -> list[ProductSummary]:
        return [summarize(state, NOW_MS) for state in self.states.values()]


@pytest.mark.slow
def test_masters_that_die_under_load_cost_only_time(run: Run, cluster: ValkeyCluster, store: RedisSummaryStore) -> None:
    """One after the other is killed while several tasks apply: nothing but StoreUnavailable is raised meanwhile."""
    traffic, retry = Traffic(), Retry("redis", 30)
    stopped = asyncio.Event()

    async def apply_and_read() -> int:
        rounds = 0
        while not stopped.is_set():
            events = traffic.next(20)
            results = await retry(lambda: store.apply(events, NOW_MS))  # noqa: B023 - called before the next round
            assert len(results) == len(events)
            await retry(store.server_identity)
            await retry(lambda: store.read(PRODUCTS[:5], NOW_MS))
            rounds += 1
        return rounds

    async def kill_two() -> list[int]:
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(apply_and_read()) for _ in range(4)]
            for shard in range(2):
                await asyncio.to_thread(cluster.kill_master, shard)
                await asyncio.sleep(0.3)
            stopped.set()
        return [one.result() for one in working]

    rounds = run(kill_two())
    assert sum(rounds) > 6
    assert counts(run(store.read(PRODUCTS, NOW_MS))) == counts(traffic.expected())


def test_what_a_dying_master_takes_with_it_is_applied_again_before_it_is_acknowledged(
    run: Run, cluster: ValkeyCluster, store: RedisSummaryStore, generation: int
) -> None:
    """Replication stood still for a while before the kill, as it does when it lags."""
    traffic, acks, errors = Traffic(), FakeAcks(), list[BaseException]()
    settings = Settings(redis_settle_seconds=SETTLE_SECONDS, redis_patience_seconds=30)
    role = Summarize(settings, store, FakePublisher(at_once=True), now_ms=lambda: NOW_MS, fatal=errors.append)
    shard = shard_of(cluster, PRODUCTS[0], generation)

    async def kill_under_load() -> tuple[int, FailOver]:
        await role.start(acks)
        killing = asyncio.create_task(asyncio.to_thread(cluster.kill_master, shard, lose_seconds=SETTLE_SECONDS / 2))
        offset = 0
        while not killing.done():
            events = traffic.next(10)
            await role.take([_in_flight(event, offset + i) for i, event in enumerate(events)])
            offset += len(events)
            await asyncio.sleep(0.02)
        await wait_until_async(lambda: len(acks.calls) >= offset, 30, "everything is acknowledged")
        return offset, await killing

    taken, fail_over = run(kill_under_load())
    assert fail_over.lost_bytes > 10_000, "nothing was lost that could be applied again"
    assert acks.finished() == list(range(taken))
    assert counts(run(store.read(PRODUCTS, NOW_MS))) == counts(traffic.expected())
    assert errors == []
    run(role.stop())


def _in_flight(event: EnrichedReview, offset: int) -> InFlightRecord:
    return in_flight_of(contract.encode_enriched(event), offset, topic="reviews.enriched")
