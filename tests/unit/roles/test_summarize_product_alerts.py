"""The role that keeps the view alarms when a product turns bad: once, also if it ends at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from prometheus_client import REGISTRY

from stream_app import contract
from stream_app.ports import InFlightRecord, Judged, StoreUnavailable
from stream_app.records import EnrichedReview
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.testing.kafka import FakeAcks, FakePublisher, in_flight_of
from stream_app.testing.store import MemorySummaryStore
from tests.behaviour.bad_batch import ALERT_ID, BATCH, HEALTHY, bad
from tests.behaviour.enriched import DAY_MS, NOW_MS
from tests.unit.roles.test_summarize_role import run
from tests.waiting import wait_until_async

_SECONDS = 30


class Worker:
    """A summarize on a store that outlives it."""

    def __init__(self, store: MemorySummaryStore, **settings: Any) -> None:
        self.acks, self.publisher = FakeAcks(), FakePublisher()
        self.errors: list[BaseException] = []
        given: dict[str, Any] = {
            "redis_settle_seconds": 0.0,
            "redis_patience_seconds": 30,
            "product_alerts": True,
            **settings,
        }
        now_ms = given.pop("now_ms", NOW_MS)
        self.role = Summarize(
            Settings(_env_file=None, **given), store, self.publisher, now_ms=lambda: now_ms, fatal=self.errors.append
        )

    async def take(self, reviews: Sequence[EnrichedReview]) -> None:
        await self.role.start(self.acks)
        await self.role.take([_in_flight(one, offset) for offset, one in enumerate(reviews)])

    def alert_ids(self) -> list[str]:
        return [orjson.loads(one.value or b"")["alert_id"] for one in self.publisher.published]


def _in_flight(review: EnrichedReview, offset: int) -> InFlightRecord:
    return in_flight_of(contract.encode_enriched(review), offset, topic="reviews.enriched")


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_bad_batch_is_published_as_an_alert_and_leaves_the_outbox_after_the_broker_has_it() -> None:
    async def scenario() -> None:
        store = MemorySummaryStore()
        worker = Worker(store)
        before = counted("stream_app_alerts_raised_total", rule="negative_spike", severity="warning")
        await worker.take([*HEALTHY, *BATCH])

        [message] = worker.publisher.published
        assert (message.topic, message.key) == ("reviews.alerts", b"p")
        assert dict(message.headers)["ce_id"] == f"{ALERT_ID}|warning".encode()
        assert worker.alert_ids() == list(store.outboxes["p"]) == [ALERT_ID]
        assert counted("stream_app_alerts_raised_total", rule="negative_spike", severity="warning") == before + 1
        await asyncio.sleep(0)
        assert worker.acks.finished() == []
        worker.publisher.deliver()
        await wait_until_async(lambda: not store.outboxes["p"], _SECONDS, "the outbox is cleared")
        await wait_until_async(lambda: len(worker.acks.finished()) == 68, _SECONDS, "all are acknowledged")
        await worker.role.stop()

    run(scenario)


def test_worker_that_ends_before_the_broker_has_the_alert_leaves_it_to_the_next_one() -> None:
    async def scenario() -> None:
        store = MemorySummaryStore()
        first, second = Worker(store), Worker(store)
        await first.take([*HEALTHY, *BATCH])
        await first.role.stop()

        await second.take([*HEALTHY, *BATCH])
        assert second.alert_ids() == [ALERT_ID]
        await second.role.stop()

    run(scenario)


def test_alert_that_is_under_way_is_not_published_again_and_holds_the_reviews_behind_it() -> None:
    """Under load a product's next reviews are applied before its outbox is cleared."""

    async def scenario() -> None:
        store = MemorySummaryStore()
        worker = Worker(store)
        await worker.take([*HEALTHY, *BATCH])
        await worker.role.take([_in_flight(bad(9), 100)])
        assert worker.alert_ids() == [ALERT_ID]
        await asyncio.sleep(0.05)
        assert worker.acks.finished() == []

        cleared, clear = asyncio.Event(), store.clear_outbox

        async def clear_later(*of_product: Any) -> None:
            await cleared.wait()
            await clear(*of_product)

        slow: Any = store
        slow.clear_outbox = clear_later
        worker.publisher.deliver()
        await worker.role.take([_in_flight(bad(10), 101)])
        assert worker.alert_ids() == [ALERT_ID]
        await wait_until_async(lambda: len(worker.acks.finished()) == 70, _SECONDS, "all are acknowledged")
        cleared.set()
        await wait_until_async(lambda: not store.outboxes["p"], _SECONDS, "the outbox is cleared")
        await worker.role.take([_in_flight(bad(11), 102)])
        assert worker.role._sent == {}
        await worker.role.stop()

    run(scenario)


def test_outbox_that_was_read_before_it_was_cleared_is_not_published_again() -> None:
    """Products are judged between the answer of the store and the look at what is under way."""

    async def scenario() -> None:
        store = MemorySummaryStore()
        worker = Worker(store)
        await worker.take([*HEALTHY, *BATCH])
        judge = store.judge

        async def cleared_meanwhile(*reviews: Any, **how: Any) -> Any:
            judged = await judge(*reviews, **how)
            worker.publisher.deliver()
            await wait_until_async(lambda: not store.outboxes["p"], _SECONDS, "the outbox is cleared")
            return judged

        slow: Any = store
        slow.judge = cleared_meanwhile
        await worker.role.take([_in_flight(bad(9), 100)])
        assert worker.alert_ids() == [ALERT_ID]
        await worker.role.stop()

    run(scenario)


def forgets(store: MemorySummaryStore) -> None:
    """Another server answers, which has nothing of what was not acknowledged yet."""
    store.starts += 1
    store._states.clear()
    store.episodes.clear()
    store.outboxes.clear()


def test_episode_that_a_fail_over_forgot_does_not_alarm_again_by_another_name() -> None:
    """The reviews that come meanwhile move its beginning: what the server forgot is applied before they are judged."""

    async def scenario() -> None:
        store = MemorySummaryStore()
        worker = Worker(store, redis_settle_seconds=60.0)
        await worker.take([*HEALTHY, *BATCH])
        assert worker.alert_ids() == [ALERT_ID]
        worker.publisher.deliver()

        forgets(store)
        earlier = [bad(number) for number in range(10, 22)]
        await worker.role.take([_in_flight(one, 100 + number) for number, one in enumerate(earlier)])
        assert set(worker.alert_ids()) == {ALERT_ID}
        [summary] = await store.read(["p"], NOW_MS)
        assert summary is not None
        assert summary.windows["all"].reviews == 80
        await worker.role.stop()

    run(scenario)


def test_what_a_fail_over_forgot_is_whole_before_a_product_is_judged() -> None:
    """The first of two polls alone is well again: its end must not be reported."""

    async def scenario() -> None:
        store = MemorySummaryStore()
        worker = Worker(store, redis_settle_seconds=60.0)
        await worker.take(HEALTHY)
        await worker.role.take([_in_flight(one, 100 + number) for number, one in enumerate(BATCH)])
        await worker.role.take([_in_flight(bad(9), 200)])
        assert set(worker.alert_ids()) == {ALERT_ID}
        worker.publisher.deliver()

        forgets(store)
        await worker.role.take([_in_flight(bad(9), 201)])
        assert set(worker.alert_ids()) == {ALERT_ID}
        await worker.role.stop()

    run(scenario)


def test_alert_that_the_broker_does_not_have_is_raised_again_after_a_fail_over() -> None:
    """Its mark alone would say that it is out."""

    async def scenario() -> None:
        store = MemorySummaryStore()
        worker = Worker(store, redis_settle_seconds=60.0)
        await worker.take([*HEALTHY, *BATCH])

        forgets(store)
        await worker.role.take([_in_flight(bad(9), 200)])
        assert list(store.outboxes["p"]) == [ALERT_ID]
        await worker.role.stop()

    run(scenario)


class EndsBeforeJudging(MemorySummaryStore):
    """Is away from the first judging on."""

    async def judge(self, *arguments: Any, **options: Any) -> list[Judged]:
        self.away = True
        raise StoreUnavailable("the process ends")


def test_worker_that_ends_between_applying_and_judging_leaves_the_alert_to_the_next_one() -> None:
    async def scenario() -> None:
        store = EndsBeforeJudging()
        first = Worker(store)
        taking = asyncio.create_task(first.take([*HEALTHY, *BATCH]))
        await wait_until_async(lambda: store.away, _SECONDS, "it applied, and judges")
        taking.cancel()
        await first.role.stop()
        assert first.alert_ids() == []

        store.__class__ = MemorySummaryStore  # type: ignore[assignment]
        store.away = False
        second = Worker(store)
        await second.take([*HEALTHY, *BATCH])
        assert second.alert_ids() == [ALERT_ID]
        await second.role.stop()

    run(scenario)


def test_episode_that_was_delivered_is_not_published_again() -> None:
    async def scenario() -> None:
        store = MemorySummaryStore()
        first, second = Worker(store), Worker(store)
        await first.take([*HEALTHY, *BATCH])
        first.publisher.deliver()
        await wait_until_async(lambda: not store.outboxes["p"], _SECONDS, "the outbox is cleared")
        await first.role.stop()

        await second.take([*HEALTHY, *BATCH])
        assert second.alert_ids() == []
        await second.role.stop()

    run(scenario)


def test_without_the_setting_no_product_alerts() -> None:
    async def scenario() -> None:
        worker = Worker(MemorySummaryStore(), product_alerts=False)
        await worker.take([*HEALTHY, *BATCH])
        assert worker.alert_ids() == []
        await worker.role.stop()

    run(scenario)


def test_suppressed_episodes_are_counted_by_reason() -> None:
    async def scenario() -> None:
        worker = Worker(MemorySummaryStore(), now_ms=NOW_MS + 3 * DAY_MS)
        labels = {"rule": "negative_spike", "reason": "too_old"}
        before = counted("stream_app_alerts_suppressed_total", **labels)
        await worker.take([*HEALTHY, *BATCH])
        assert worker.alert_ids() == []
        assert counted("stream_app_alerts_suppressed_total", **labels) == before + 1
        await worker.role.stop()

    run(scenario)
