"""The role that keeps the view: nothing is acknowledged that the server may still forget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from stream_app import contract
from stream_app.ports import Applied, InFlightRecord
from stream_app.records import EnrichedReview, Partition
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.testing.kafka import FakeAcks, FakePublisher, in_flight_of
from stream_app.testing.store import MemorySummaryStore
from tests.behaviour.enriched import NOW_MS, enriched
from tests.waiting import wait_until_async

_SECONDS = 30


class CountingStore(MemorySummaryStore):
    """Counts the calls of ``apply``: tried, and how many of them were reached."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.applied: list[list[str]] = []

    async def server_identity(self) -> str:
        self.asked += 1
        return await super().server_identity()

    async def apply(self, reviews: Sequence[EnrichedReview], now_ms: int) -> list[Applied]:
        results = await super().apply(reviews, now_ms)
        self.applied.append([review.review_id for review in reviews])
        return results


class Stage:
    """A Summarize on a store in memory."""

    def __init__(self, settle_seconds: float) -> None:
        self.store, self.acks, self.publisher = CountingStore(), FakeAcks(), FakePublisher()
        self.errors: list[BaseException] = []
        settings = Settings(_env_file=None, redis_settle_seconds=settle_seconds, redis_patience_seconds=30)
        self.role = Summarize(settings, self.store, self.publisher, now_ms=lambda: NOW_MS, fatal=self.errors.append)

    def use(self, store: CountingStore) -> None:
        """Go on with another store."""
        self.store = self.role._store = self.role._delayed._store = store

    async def finished(self, *offsets: int) -> None:
        await wait_until_async(
            lambda: self.acks.finished() == list(offsets), _SECONDS, f"{offsets} finished, not {self.acks.calls}"
        )

    async def counted(self, product_id: str = "p") -> int:
        [summary] = await self.store.read([product_id], NOW_MS)
        return summary.windows["all"].reviews if summary else 0


@asynccontextmanager
async def staged(settle_seconds: float = 0.0) -> AsyncIterator[Stage]:
    stage = Stage(settle_seconds)
    await stage.role.start(stage.acks)
    try:
        yield stage
        assert stage.errors == []
    finally:
        await stage.role.stop()


def in_flight(offset: int, partition: int = 0, **changes: Any) -> InFlightRecord:
    value = contract.encode_enriched(enriched(f"r{offset}", **changes))
    return in_flight_of(value, offset, topic="reviews.enriched", partition=partition)


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(scenario())


def test_reviews_are_applied_at_once_and_acknowledged_after_they_settled() -> None:
    async def scenario() -> None:
        async with staged(settle_seconds=0.3) as stage:
            began = asyncio.get_running_loop().time()
            await stage.role.take([in_flight(0), in_flight(1)])
            assert await stage.counted() == 2
            assert stage.acks.calls == []
            await stage.finished(0, 1)
            assert asyncio.get_running_loop().time() - began >= 0.3
            assert stage.acks.messages == {}

    run(scenario)


def test_unreadable_record_goes_to_the_dead_letter_at_once() -> None:
    async def scenario() -> None:
        async with staged(settle_seconds=60) as stage:
            await stage.role.take([in_flight_of(b"nonsense", 0), in_flight(1)])
            assert stage.acks.calls == [("finish", 0, ["reviews.dead-letter"])]
            assert await stage.counted() == 1

    run(scenario)


def test_store_that_is_away_is_tried_again_and_nothing_is_acknowledged_before() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            stage.store.away = True
            taking = asyncio.create_task(stage.role.take([in_flight(0)]))
            await wait_until_async(lambda: stage.store.asked >= 2, _SECONDS, "two tries fail")
            assert stage.acks.calls == []
            stage.store.away = False
            await taking
            await stage.finished(0)
            assert stage.store.applied == [["r0"]]

    run(scenario)


def test_restarted_server_is_given_everything_unsettled_again_before_it_is_acknowledged() -> None:
    async def scenario() -> None:
        async with staged(settle_seconds=0.3) as stage:
            await stage.role.take([in_flight(0), in_flight(1)])
            await stage.role.take([in_flight(2)])
            stage.store.starts += 1
            await wait_until_async(lambda: len(stage.store.applied) == 6, _SECONDS, "both batches are applied again")
            assert stage.store.applied == [["r0", "r1"], ["r2"]] * 3  # twice: all of it before anything is judged
            assert stage.acks.calls == []
            await stage.finished(0, 1, 2)
            assert await stage.counted() == 3

    run(scenario)


def test_outbox_is_published_and_cleared_only_after_delivery() -> None:
    async def scenario() -> None:
        async with staged(settle_seconds=60) as stage:
            stage.store.outboxes["p"] = {"a1": b"one", "a2": b"two"}
            await stage.role.take([in_flight(0)])
            sent = [(message.topic, message.key, message.value) for message in stage.publisher.published]
            assert sent == [("reviews.alerts", b"p", b"one"), ("reviews.alerts", b"p", b"two")]
            assert set(stage.store.outboxes["p"]) == {"a1", "a2"}
            stage.publisher.deliver()
            await wait_until_async(lambda: not stage.store.outboxes["p"], _SECONDS, "the outbox is cleared")

    run(scenario)


def test_outbox_of_a_product_is_published_once_per_poll() -> None:
    async def scenario() -> None:
        async with staged(settle_seconds=60) as stage:
            stage.store.outboxes["p"] = {"a1": b"one"}
            await stage.role.take([in_flight(0), in_flight(1), in_flight(2, product_id="other")])
            assert [message.value for message in stage.publisher.published] == [b"one"]

    run(scenario)


def test_partition_that_was_taken_away_is_not_acknowledged() -> None:
    async def scenario() -> None:
        async with staged(settle_seconds=0.3) as stage:
            await stage.role.take([in_flight(0), in_flight(1, partition=1), in_flight(2)])
            stage.role.drop_waiting(frozenset({Partition("reviews.enriched", 0)}))
            await stage.finished(1)

    run(scenario)


def test_much_that_is_unsettled_pauses_fetching() -> None:
    async def scenario() -> None:
        async with staged(settle_seconds=0.3) as stage:
            large = contract.encode_enriched(enriched("large", text="word " * 200_000))
            in_flight_records = [in_flight_of(large, offset) for offset in range(2**26 // len(large) + 1)]
            await stage.role.take(in_flight_records)
            assert not stage.role.has_room()
            await wait_until_async(stage.role.has_room, _SECONDS, "room after they settled")

    run(scenario)
