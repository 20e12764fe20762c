"""The role that keeps the view, on servers that forget, refuse or stay away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from stream_app.ports import Applied, ConfigurationError, StoreUnavailable, ViewLost
from stream_app.records import EnrichedReview, Partition
from stream_app.roles import delayed_acknowledgement
from stream_app.roles.notify.role import Notify
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.testing.kafka import FakeAcks, FakePublisher
from stream_app.testing.store import MemorySummaryStore
from tests.behaviour.enriched import NOW_MS
from tests.unit.roles.delivery_stage import Stage
from tests.unit.roles.test_summarize_role import CountingStore, in_flight, run, staged
from tests.waiting import wait_until_async

_SECONDS = 30


class ForgetsOnce(CountingStore):
    """Restarts right after its first apply, without what was applied."""

    async def apply(self, reviews: Sequence[EnrichedReview], now_ms: int) -> list[Applied]:
        results = await super().apply(reviews, now_ms)
        if len(self.applied) == 1:
            self.starts += 1
            self._states.clear()
        return results


class Unfit(MemorySummaryStore):
    """A server that would forget products."""

    async def check(self) -> None:
        raise ConfigurationError("maxmemory-policy is allkeys-lru")


def impatient(
    store: MemorySummaryStore,
    publisher: FakePublisher,
    fatal: Callable[[BaseException], None],
    settle_seconds: float = 0.0,
) -> Summarize:
    """A Summarize that gives up after a tenth of a second."""
    settings = Settings(_env_file=None, redis_settle_seconds=settle_seconds, redis_patience_seconds=0.1)
    return Summarize(settings, store, publisher, now_ms=lambda: NOW_MS, fatal=fatal)


def test_server_that_restarts_right_after_the_apply_is_given_it_again() -> None:
    """Whose server_identity is noted must have been asked before the apply, not after."""

    async def scenario() -> None:
        async with staged() as stage:
            stage.use(ForgetsOnce())
            await stage.role.take([in_flight(0)])
            assert await stage.counted() == 0
            await stage.finished(0)
            assert await stage.counted() == 1

    run(scenario)


def test_server_that_comes_back_with_older_data_ends_the_role_with_nothing_more_acknowledged() -> None:
    """A backup was restored: the first review after it must not hide that those before are gone."""

    async def scenario() -> None:
        async with staged() as stage:
            await stage.role.take([in_flight(0), in_flight(1)])
            await stage.finished(0, 1)
            stage.store._progress[0] = 1
            with pytest.raises(ViewLost):
                await stage.role.take([in_flight(2)])
            assert stage.store.lost
            await stage.finished(0, 1)

    run(scenario)


def test_older_data_is_found_while_no_review_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delayed_acknowledgement, "CHECK_EVERY_SECONDS", 0.0)

    async def scenario() -> None:
        store, acks, errors = CountingStore(), FakeAcks(), list[BaseException]()
        role = impatient(store, FakePublisher(), errors.append)
        await role.start(acks)
        await role.take([in_flight(0)])
        await wait_until_async(lambda: acks.finished() == [0], _SECONDS, "it is acknowledged")
        store._progress[0] = 0
        await wait_until_async(lambda: errors, _SECONDS, "it is reported")
        assert isinstance(errors[0], ViewLost)
        await role.stop()

    run(scenario)


def test_view_that_another_worker_found_older_ends_this_one_while_no_review_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It acknowledged nothing, so that the progress tells it nothing."""
    monkeypatch.setattr(delayed_acknowledgement, "CHECK_EVERY_SECONDS", 0.0)

    async def scenario() -> None:
        store, errors = CountingStore(), list[BaseException]()
        role = impatient(store, FakePublisher(), errors.append)
        await role.start(FakeAcks())
        store.lost = True
        await wait_until_async(lambda: errors, _SECONDS, "it is reported")
        assert isinstance(errors[0], ViewLost)
        await role.stop()

    run(scenario)


def test_progress_covers_what_was_applied_and_not_what_left_with_its_partition() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            stage.store.away = True
            taking = asyncio.create_task(stage.role.take([in_flight(4), in_flight(9, partition=1)]))
            await asyncio.sleep(0.05)
            stage.role.drop_waiting(frozenset({Partition("reviews.enriched", 1)}))
            stage.store.away = False
            await taking
            assert await stage.store.progress() == {0: 5}

    run(scenario)


def test_nothing_is_started_on_a_server_that_would_forget() -> None:
    async def scenario() -> None:
        role = impatient(Unfit(), FakePublisher(), lambda error: None)
        notify = Notify(Settings(_env_file=None), Unfit(), Stage().deliveries, fatal=lambda error: None)
        for start in (role.start, notify.start):
            with pytest.raises(ConfigurationError, match="allkeys-lru"):
                await start(FakeAcks())

    run(scenario)


def test_server_that_is_told_to_evict_ends_a_running_role_with_nothing_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was full, and somebody set another policy while the role ran."""
    monkeypatch.setattr(delayed_acknowledgement, "CHECK_EVERY_SECONDS", 0.0)

    async def act(role: Summarize, store: MemorySummaryStore, publisher: FakePublisher) -> None:
        await role.take([in_flight(0)])
        monkeypatch.setattr(store, "check", Unfit().check)

    error = asyncio.run(_ends(act, settle_seconds=60.0))

    assert isinstance(error, ConfigurationError)
    assert "allkeys-lru" in str(error)


async def _ends(
    act: Callable[[Summarize, MemorySummaryStore, FakePublisher], Awaitable[None]], settle_seconds: float
) -> BaseException:
    """What the role reported as fatal after ``act``."""
    store, publisher, acks = MemorySummaryStore(), FakePublisher(), FakeAcks()
    errors: list[BaseException] = []
    role = impatient(store, publisher, errors.append, settle_seconds)
    await role.start(acks)
    await act(role, store, publisher)
    await wait_until_async(lambda: errors, _SECONDS, "it is reported")
    assert acks.calls == []
    await role.stop()
    return errors[0]


def test_server_that_stays_away_while_reviews_settle_ends_the_process_with_nothing_acknowledged() -> None:
    async def act(role: Summarize, store: MemorySummaryStore, publisher: FakePublisher) -> None:
        await role.take([in_flight(0)])
        store.away = True

    assert isinstance(asyncio.run(_ends(act, settle_seconds=0.0)), StoreUnavailable)


def test_outbox_that_can_not_be_cleared_ends_the_process() -> None:
    async def act(role: Summarize, store: MemorySummaryStore, publisher: FakePublisher) -> None:
        store.outboxes["p"] = {"a1": b"one"}
        await role.take([in_flight(0)])
        store.away = True
        publisher.deliver()

    assert isinstance(asyncio.run(_ends(act, settle_seconds=60.0)), StoreUnavailable)


def test_alerts_stay_in_the_outbox_until_the_broker_has_them() -> None:
    async def scenario() -> None:
        async with staged(settle_seconds=60) as stage:
            stage.store.outboxes["p"] = {"a1": b"one"}
            await stage.role.take([in_flight(0)])
            for _ in range(10):
                await asyncio.sleep(0)  # whatever the role began without waiting for it runs now
            assert stage.store.outboxes["p"] == {"a1": b"one"}
            stage.publisher.deliver()
            await wait_until_async(lambda: not stage.store.outboxes["p"], _SECONDS, "the outbox is cleared")

    run(scenario)


def test_review_is_acknowledged_only_after_the_alerts_that_it_left_in_the_outbox() -> None:
    """A crash before the broker has them is repaired by the redelivery, which returns the outbox again."""

    async def scenario() -> None:
        async with staged() as stage:
            stage.store.outboxes["p"] = {"a1": b"one"}
            await stage.role.take([in_flight(0)])
            later = asyncio.get_running_loop().time() + 0.6
            await wait_until_async(lambda: asyncio.get_running_loop().time() > later, _SECONDS, "it could have settled")
            assert stage.acks.calls == []
            stage.publisher.deliver()
            await stage.finished(0)

    run(scenario)


def test_server_that_stays_away_for_longer_than_patience_fails_the_take() -> None:
    """The agent's exception ends the process (kafka/faust_app.py)."""

    async def scenario() -> None:
        store = MemorySummaryStore()
        role = impatient(store, FakePublisher(), lambda error: None)
        await role.start(FakeAcks())
        store.away = True
        with pytest.raises(StoreUnavailable):
            await role.take([in_flight(0)])
        await role.stop()

    run(scenario)
