"""A primary that dies and a replica in its place: what `summarize` makes of it, behind an address that stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from stream_app import contract
from stream_app.ports import InFlightRecord
from stream_app.retry import Retry
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.store.summaries import RedisSummaryStore
from stream_app.testing.kafka import FakeAcks, FakePublisher, in_flight_of
from tests.behaviour.enriched import NOW_MS, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import Opener
from tests.reliability.testbed.valkeys import FailOver, ReplicaPair, client_of
from tests.waiting import wait_until_async

pytestmark = pytest.mark.store
SETTLE_SECONDS = 1.5


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[ReplicaPair]:
    with ReplicaPair(tmp_path / "pair") as running:
        yield running


@pytest.fixture
def store(pair: ReplicaPair, open_store: Opener) -> RedisSummaryStore:
    """Its view is begun on the replica, too: a fail-over that loses that loses the view."""
    opened = open_store(pair.url, begun=True)
    pair.wait_until_replicated()
    return opened


async def counted(store: RedisSummaryStore) -> int:
    [summary] = await store.read(["p"], NOW_MS)
    return summary.windows["all"].reviews if summary else 0


def in_flight(offset: int) -> InFlightRecord:
    return in_flight_of(contract.encode_enriched(enriched(f"r{offset}")), offset, topic="reviews.enriched")


def test_promoted_replica_has_all_and_another_server_identity(
    run: Run, pair: ReplicaPair, store: RedisSummaryStore
) -> None:
    """Scripts are not replicated: it has to be given them."""
    run(store.apply([enriched(f"r{n}") for n in range(100)], NOW_MS))
    before = run(store.server_identity())
    assert pair.fail_over().lost_bytes == 0

    retry = Retry("redis", 10)
    again = run(retry(lambda: store.apply([enriched("r99"), enriched("r100")], NOW_MS)))
    assert [one.changed for one in again] == [False, True]
    assert run(store.server_identity()) != before


def test_dead_primary_comes_back_as_a_replica_and_can_be_promoted_in_turn(
    run: Run, pair: ReplicaPair, store: RedisSummaryStore
) -> None:
    retry = Retry("redis", 10)
    for n in range(3):
        assert run(retry(partial(store.apply, [enriched(f"r{n}")], NOW_MS)))[0].changed
        pair.fail_over()
        pair.start_old_as_replica()
    assert run(counted(store)) == 3
    with client_of(pair.replica) as replica:
        assert replica.info("replication")["role"] == "slave"


def test_what_the_dead_primary_had_alone_is_applied_again_before_it_is_acknowledged(
    run: Run, pair: ReplicaPair, store: RedisSummaryStore
) -> None:
    acks, errors = FakeAcks(), list[BaseException]()
    settings = Settings(redis_settle_seconds=SETTLE_SECONDS, redis_patience_seconds=30)
    role = Summarize(settings, store, FakePublisher(), now_ms=lambda: NOW_MS, fatal=errors.append)

    async def fail_over_under_load() -> tuple[int, FailOver]:
        await role.start(acks)
        dying = asyncio.create_task(asyncio.to_thread(pair.fail_over, lose_seconds=SETTLE_SECONDS / 2))
        offset = 0
        while not dying.done():
            await role.take([in_flight(offset)])
            offset += 1
            await asyncio.sleep(0.005)
        await role.take([in_flight(offset)])
        offset += 1
        assert await counted(store) == offset, "what was lost is applied before what is new"
        await wait_until_async(lambda: len(acks.calls) >= offset, 30, "everything is acknowledged")
        return offset, await dying

    taken, fail_over = run(fail_over_under_load())
    assert fail_over.lost_bytes > 1000
    assert acks.finished() == list(range(taken))
    assert run(counted(store)) == taken
    assert errors == []
    run(role.stop())
