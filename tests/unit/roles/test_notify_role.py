"""The role that tells people: kept first, then logged, then acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from stream_app import contract
from stream_app.ports import StoreUnavailable
from stream_app.records import HEADER_COPY_OF, Alert
from stream_app.roles.notify.role import Notify
from stream_app.settings import Settings
from stream_app.testing.kafka import FakeAcks, in_flight_of
from stream_app.testing.store import MemorySummaryStore
from tests.unit.roles.delivery_stage import Stage
from tests.waiting import wait_until_async

ALERT = Alert("negative_review|p|r", "negative_review", "critical", "p", 1000, 2000, review_id="r")
VALUE = contract.encode_alert(ALERT)


def play(
    scenario: Callable[[Notify, MemorySummaryStore, FakeAcks], Awaitable[None]],
    patience: float = 30,
    settle: float = 0.0,
) -> None:
    async def run() -> None:
        stage = Stage()
        store, acks = stage.store, FakeAcks()
        errors: list[BaseException] = []
        settings = Settings(_env_file=None, redis_patience_seconds=patience, redis_settle_seconds=settle)
        role = Notify(settings, store, stage.deliveries, fatal=errors.append)
        await role.start(acks)
        await scenario(role, store, acks)
        await role.stop()
        assert errors == []

    asyncio.run(run())


async def finished(acks: FakeAcks, *offsets: int) -> None:
    await wait_until_async(lambda: acks.finished() == list(offsets), 30, f"{offsets} finished, not {acks.calls}")


def test_alert_is_kept_and_acknowledged() -> None:
    async def scenario(role: Notify, store: MemorySummaryStore, acks: FakeAcks) -> None:
        await role.take([in_flight_of(VALUE, 7)])
        assert await store.recent_alerts(10) == [ALERT]
        await finished(acks, 7)

    play(scenario)


def test_alert_delivered_twice_is_kept_once() -> None:
    async def scenario(role: Notify, store: MemorySummaryStore, acks: FakeAcks) -> None:
        await role.take([in_flight_of(VALUE, 7), in_flight_of(VALUE, 8)])
        assert await store.recent_alerts(10) == [ALERT]
        await finished(acks, 7, 8)

    play(scenario)


def test_only_a_graver_alert_is_logged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that comes again after a crash, as it was: it may not have been logged before."""
    logged: list[Alert] = []
    monkeypatch.setattr("stream_app.telemetry.alert_notified", logged.append)
    warning = replace(ALERT, severity="warning")
    later = replace(warning, raised_at_ms=3000)

    async def scenario(role: Notify, store: MemorySummaryStore, acks: FakeAcks) -> None:
        for offset, alert in enumerate([warning, later, ALERT, later, ALERT]):
            await role.take([in_flight_of(contract.encode_alert(alert), offset)])
        await finished(acks, 0, 1, 2, 3, 4)
        assert await store.recent_alerts(10) == [ALERT]

    play(scenario)
    assert logged == [warning, ALERT, ALERT]


def test_copy_that_a_killed_erasure_left_is_kept_and_not_logged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alerts of up to 30 days came again, all at once."""
    logged: list[Alert] = []
    monkeypatch.setattr("stream_app.telemetry.alert_notified", logged.append)
    original = in_flight_of(VALUE, 7)
    copy = replace(original, record=original.record._replace(offset=8, headers=((HEADER_COPY_OF, b"0/7"),)))

    async def scenario(role: Notify, store: MemorySummaryStore, acks: FakeAcks) -> None:
        await role.take([original])
        await role.take([copy])
        await finished(acks, 7, 8)
        assert await store.recent_alerts(10) == [ALERT]

    play(scenario)
    assert logged == [ALERT]


def test_alert_waits_for_its_receivers_before_it_is_acknowledged() -> None:
    """Else a crash in between loses it for them. What was queued is delivered in the background."""

    async def run() -> None:
        stage, acks = Stage(), FakeAcks()
        settings = Settings(_env_file=None, redis_patience_seconds=30, redis_settle_seconds=0.0)
        role = Notify(settings, stage.store, stage.deliveries, fatal=stage.errors.append)
        await role.start(acks)
        refused = 0
        handled = stage.queues.handled

        async def counting(*arguments: Any) -> Any:
            nonlocal refused
            refused += stage.queues.away
            return await handled(*arguments)

        stage.queues.handled = counting
        stage.queues.away = True
        taking = asyncio.create_task(role.take([in_flight_of(VALUE, 7)]))
        await wait_until_async(lambda: refused >= 2, 30, "two tries fail")
        assert acks.calls == []
        stage.queues.away = False
        await taking
        await finished(acks, 7)
        await wait_until_async(lambda: len(stage.senders["a"].sent) == 1, 30, "it is delivered")
        await role.stop()
        assert stage.errors == []

    asyncio.run(run())


def test_unreadable_alert_goes_to_the_dead_letter_and_the_next_is_kept() -> None:
    async def scenario(role: Notify, store: MemorySummaryStore, acks: FakeAcks) -> None:
        await role.take([in_flight_of(b"nonsense", 0), in_flight_of(VALUE, 1)])
        assert acks.calls == [("finish", 0, ["reviews.dead-letter"])]
        await finished(acks, 0, 1)
        assert acks.messages["reviews.dead-letter"][0].value == b"nonsense"
        assert await store.recent_alerts(10) == [ALERT]

    play(scenario)


def test_alert_is_not_acknowledged_while_the_store_is_away() -> None:
    async def scenario(role: Notify, store: MemorySummaryStore, acks: FakeAcks) -> None:
        refused = 0
        server_identity = store.server_identity

        async def counting() -> str:
            nonlocal refused
            refused += store.away
            return await server_identity()

        store.server_identity = counting  # type: ignore[method-assign]
        store.away = True
        taking = asyncio.create_task(role.take([in_flight_of(VALUE, 7)]))
        await wait_until_async(lambda: refused >= 2, 30, "two tries fail")
        assert acks.calls == []
        store.away = False
        await taking
        await finished(acks, 7)

    play(scenario)


def test_alert_that_the_server_forgot_is_kept_again_before_it_is_acknowledged() -> None:
    """A replica that was promoted lacks the last moments of its primary."""

    async def scenario(role: Notify, store: MemorySummaryStore, acks: FakeAcks) -> None:
        await role.take([in_flight_of(VALUE, 7)])
        store._alerts.clear()
        store.starts += 1
        await finished(acks, 7)
        assert await store.recent_alerts(10) == [ALERT]

    play(scenario, settle=0.3)


def test_spent_patience_is_an_error() -> None:
    async def scenario(role: Notify, store: MemorySummaryStore, acks: FakeAcks) -> None:
        store.away = True
        with pytest.raises(StoreUnavailable):
            await role.take([in_flight_of(VALUE, 7)])
        assert acks.calls == []

    play(scenario, patience=0.05)
