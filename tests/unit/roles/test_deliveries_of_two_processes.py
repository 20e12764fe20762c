"""Deliveries to a receiver where a process is killed, or loses its lease to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from stream_app.delivery.outcome import Outcome
from stream_app.ports import StoreUnavailable
from stream_app.records import Alert
from stream_app.steps.deliveries import DeliveryRule
from stream_app.steps.delivery_queue import ReceiverState
from tests.unit.roles.delivery_stage import ALERT, FakeSender, Stage, numbered, play

MINUTE, HOUR = 60_000, 3_600_000
FAILED = Outcome("HTTP 500")


def test_next_process_goes_on_where_one_was_killed() -> None:
    """Killed between the receiver's answer and the removal: delivered twice, with one id."""

    async def scenario() -> None:
        stage = Stage()
        await stage.alert(ALERT, numbered(2))
        stage.deliveries._retry._seconds = 0.0
        remove = stage.queues.remove

        async def killed(*_: object, **__: object) -> None:
            raise StoreUnavailable("killed here")

        stage.queues.remove = killed
        with pytest.raises(StoreUnavailable):
            await stage.round()
        stage.queues.remove = remove
        await stage.queues.release("a", "one")
        await stage.round(deliveries=stage.worker("two"))
        ids = stage.senders["a"].ids
        assert len(ids) == 4
        assert len(set(ids)) == 2
        assert await stage.waiting() == 0

    play(scenario)


def test_one_process_delivers_to_a_receiver_at_a_time() -> None:
    async def scenario() -> None:
        stage = Stage()
        other = stage.worker("two")
        await stage.round()
        await stage.alert(ALERT)
        assert not await stage.round(deliveries=other)
        assert stage.senders["a"].sent == []
        await stage.deliveries.task_of("a").close()
        await stage.round(deliveries=other)
        assert len(stage.senders["a"].sent) == 1

    play(scenario)


def test_process_whose_lease_ended_while_it_gave_up_alerts_sends_nothing() -> None:
    async def scenario() -> None:
        stage = Stage()
        await stage.alert(ALERT)
        status = stage.queues.status

        async def long(name: str) -> object:
            await stage.queues.release("a", "one")
            await stage.queues.hold("a", "two", 1)
            return await status(name)

        stage.queues.status = long
        assert not await stage.round()
        assert stage.senders["a"].sent == []

    play(scenario)


def test_process_that_lost_its_lease_before_a_message_leaves_it_to_the_other() -> None:
    """Redis did not answer for longer than the lease, between the words of a message and its sending."""

    async def scenario() -> None:
        stage = Stage()
        await stage.alert(ALERT)
        words = stage.store.with_alert_words

        async def late(alerts: Sequence[Alert]) -> list[Alert]:
            await stage.queues.release("a", "one")
            await stage.queues.hold("a", "two", 1)
            return await words(alerts)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage.store, "with_alert_words", late)
            assert not await stage.round()
        assert stage.senders["a"].sent == []
        await stage.round(deliveries=stage.worker("two"))
        assert len(stage.senders["a"].sent) == 1

    play(scenario)


def test_process_that_lost_its_lease_meanwhile_leaves_the_receivers_state_alone() -> None:
    async def scenario() -> None:
        async def slow() -> Outcome:
            await stage.queues.release("a", "one")
            await stage.queues.hold("a", "two", 1)
            return FAILED

        stage = Stage(a=FakeSender([slow, Outcome()]))
        await stage.alert(ALERT)
        assert not await stage.round()
        assert (await stage.queues.status("a")).state == ReceiverState()
        await stage.round(deliveries=stage.worker("two"))
        assert len(set(stage.senders["a"].ids)) == 1
        assert await stage.waiting() == 0

    play(scenario)


@pytest.mark.parametrize("is_ended", [False, True])
def test_digest_that_failed_stays_one_message_wherever_the_process_is_killed(is_ended: bool) -> None:
    """Before or behind the one step that ends the round; between its parts there is nothing."""

    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", digest_ms=HOUR), a=FakeSender([FAILED, Outcome()]))
        await stage.alert(*[numbered(n) for n in range(5)])
        stage.deliveries._retry._seconds = 0.0
        end_round = stage.queues.end_round

        async def killed(*given: Any) -> bool:
            if is_ended:
                await end_round(*given)
            raise StoreUnavailable("killed here")

        stage.queues.end_round = killed
        with pytest.raises(StoreUnavailable):
            await stage.round(after_ms=HOUR)
        stage.queues.end_round = end_round
        await stage.queues.release("a", "one")
        await stage.round(after_ms=MINUTE, deliveries=stage.worker("two"))
        assert [len(one.alerts) for one in stage.senders["a"].sent] == [5, 5]
        assert len(set(stage.senders["a"].ids)) == 1

    play(scenario)
