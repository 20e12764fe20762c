"""The role that keeps the view, when partitions are taken away in the middle of an apply."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from stream_app.ports import Applied
from stream_app.records import EnrichedReview, Partition
from tests.unit.roles.test_summarize_role import CountingStore, Stage, in_flight, run, staged
from tests.waiting import wait_until_async

_SECONDS = 30
P0 = frozenset({Partition("reviews.enriched", 0)})
BOTH = P0 | {Partition("reviews.enriched", 1)}


class SlowStore(CountingStore):
    """Applies while ``gate`` is open; ``applying`` is set as soon as one waits at it."""

    def __init__(self) -> None:
        super().__init__()
        self.applying, self.gate = asyncio.Event(), asyncio.Event()

    async def apply(self, reviews: Sequence[EnrichedReview], now_ms: int) -> list[Applied]:
        self.applying.set()
        await self.gate.wait()
        return await super().apply(reviews, now_ms)


async def retried(stage: Stage, *partitions: int) -> asyncio.Task[None]:
    """A take of one review per partition that the store refused at least once."""
    stage.store.away = True
    in_flight_records = [in_flight(offset, partition=partition) for offset, partition in enumerate(partitions)]
    taking = asyncio.create_task(stage.role.take(in_flight_records))
    await wait_until_async(lambda: stage.store.asked >= 2, _SECONDS, "the apply is retried")
    return taking


def test_rebalance_while_an_apply_is_retried_ends_nothing_and_acknowledges_only_what_stayed() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            taking = await retried(stage, 0, 1, 0)
            stage.role.drop_waiting(P0)
            stage.store.away = False
            await taking
            await stage.finished(1)

    run(scenario)


def test_rebalance_in_the_middle_of_an_apply_ends_nothing_and_acknowledges_only_what_stayed() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            store = SlowStore()
            stage.use(store)
            taking = asyncio.create_task(stage.role.take([in_flight(0), in_flight(1, partition=1)]))
            await store.applying.wait()
            stage.role.drop_waiting(P0)
            store.gate.set()
            await taking
            await stage.finished(1)

    run(scenario)


def test_rebalance_that_takes_everything_from_a_retried_apply_acknowledges_nothing() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            taking = await retried(stage, 0, 1)
            stage.role.drop_waiting(BOTH)
            stage.store.away = False
            await taking
            await stage.role.take([in_flight(7)])
            await stage.finished(7)

    run(scenario)


def test_alerts_of_a_retried_apply_are_published_though_its_partition_is_gone() -> None:
    """The outbox is the product's, not the partition's; a second publication has the same id."""

    async def scenario() -> None:
        async with staged(settle_seconds=60) as stage:
            taking = await retried(stage, 0, 1)
            stage.store.outboxes["p"] = {"a1": b"one"}
            stage.role.drop_waiting(P0)
            stage.store.away = False
            await taking
            assert [message.value for message in stage.publisher.published] == [b"one"]

    run(scenario)


def test_review_of_a_partition_that_went_and_came_back_is_acknowledged_once_in_its_new_epoch() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            taking = await retried(stage, 0)
            stage.role.drop_waiting(P0)
            stage.store.away = False
            await taking
            again = in_flight(0)
            again.epoch = 2
            await stage.role.take([again])
            await stage.finished(0)
            assert await stage.counted() == 1

    run(scenario)
