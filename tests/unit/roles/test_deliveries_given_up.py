"""Alerts that cannot be delivered end in the dead letter topic, each with a reason."""

from __future__ import annotations

import asyncio

import pytest

from stream_app.contract import dead_letters
from stream_app.delivery.outcome import Outcome
from stream_app.delivery.receivers import Receivers
from stream_app.roles.notify import giving_up
from stream_app.steps.deliveries import DeliveryRule
from tests.unit.roles.delivery_stage import ALERT, CRITICAL, FakeSender, Stage, numbered, play, record_of
from tests.waiting import wait_until_async

HOUR = 3_600_000
FAILED = Outcome("HTTP 500")


def test_what_is_not_delivered_within_a_day_goes_to_the_dead_letter_with_a_reason() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED]))
        await stage.alert(ALERT)
        await stage.round()
        await stage.round(after_ms=24 * HOUR)
        assert stage.dead_letters == []
        assert await stage.round(after_ms=1)
        assert stage.dead_letters == [("delivery_failed", "a", ALERT.alert_id)]
        assert b"It broke." in (stage.publisher.published[0].value or b"")
        assert await stage.waiting() == 0

    play(scenario)


def test_digest_is_tried_for_a_day_after_it_was_due() -> None:
    """With quiet hours it may be due more than a day after its first alert was queued."""

    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", digest_ms=30 * HOUR), a=FakeSender([FAILED]))
        await stage.alert(numbered(1))
        due_ms = (stage.now_ms // (30 * HOUR) + 1) * 30 * HOUR
        stage.now_ms = due_ms - 1
        await stage.round()
        await stage.round(after_ms=1)
        state = (await stage.queues.status("a")).state
        await stage.round(after_ms=5_000)
        assert len(stage.senders["a"].sent) == 2, "its first pause is that of a new message"
        assert state.failures == 1
        await stage.round(after_ms=24 * HOUR - 5_000)
        assert stage.dead_letters == []
        await stage.round(after_ms=1)
        assert [reason for reason, _, _ in stage.dead_letters] == ["delivery_failed"]

    play(scenario)


def test_dead_letter_is_acknowledged_by_the_broker_before_the_queue_forgets() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED]))
        stage.publisher._at_once = False
        await stage.alert(ALERT)
        giving = asyncio.create_task(stage.round(after_ms=25 * HOUR))
        await wait_until_async(lambda: len(stage.publisher.calls) == 1, 30, "the dead letter is published")
        assert await stage.waiting() == 1
        stage.publisher.deliver()
        await giving
        assert await stage.waiting() == 0

    play(scenario)


def test_full_queue_gives_up_the_least_severe_and_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """And new alerts are taken all the time."""
    monkeypatch.setattr(giving_up, "MAX_WAITING", 3)

    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED]))
        await stage.alert(CRITICAL)
        await stage.alert(numbered(1), numbered(2), numbered(3, severity="info"))
        stage.now_ms += 1
        await stage.alert(numbered(4))
        assert await stage.round()
        assert stage.dead_letters == [
            ("receiver_queue_full", "a", "negative_review|p3|r"),
            ("receiver_queue_full", "a", "negative_review|p1|r"),
        ]
        assert await stage.waiting() == 3

    play(scenario)


def test_flood_of_alerts_waits_for_room_while_a_receiver_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task gives up what is too much, but not while it sends: a backlog of days comes in seconds."""
    monkeypatch.setattr(giving_up, "MAX_WAITING", 3)

    async def scenario() -> None:
        stage = Stage()
        for number in range(20):
            await stage.alert(numbered(number))
            assert await stage.waiting() <= 6
        assert len(stage.dead_letters) >= 14

    play(scenario)


def test_replayed_dead_letter_goes_to_the_receiver_that_lacked_it_alone() -> None:
    """At once, also within a cool-down; before, it was handled."""

    async def scenario() -> None:
        stage = Stage(
            DeliveryRule("a", cool_down_ms=25 * HOUR), DeliveryRule("b"), a=FakeSender([FAILED]), b=FakeSender()
        )
        await stage.alert(ALERT)
        await stage.round("b")
        await stage.round("a", after_ms=24 * HOUR + 1)
        stage.senders["a"].answers = [Outcome()]
        await stage.alert(ALERT, to="a")
        await stage.round("a")
        await stage.round("b")
        assert len(stage.senders["a"].sent) == len(stage.senders["b"].sent) == 1

    play(scenario)


@pytest.mark.parametrize("receivers", [{}, {"a": FakeSender()}])
def test_replay_to_a_receiver_that_is_not_in_the_file_is_a_dead_letter_again(receivers: dict[str, FakeSender]) -> None:
    async def scenario() -> None:
        stage = Stage(queues=None, **receivers)
        stage.receivers = Receivers({name: stage.receivers.by_name[name] for name in receivers}, ())
        stage.deliveries = stage.worker("one")
        await stage.alert(ALERT, to="removed")
        assert stage.dead_letters == [("receiver_removed", "removed", ALERT.alert_id)]
        assert stage.publisher.published[0].value == record_of(ALERT)[0].value

    play(scenario)


def test_alerts_for_a_receiver_that_was_removed_end_in_the_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day after they were queued: in a rolling restart the files differ for a while."""

    async def scenario() -> None:
        stage = Stage()
        await stage.queues.add([], 0)
        other = Stage(queues=stage.queues, old=FakeSender())
        await other.alert(ALERT)
        await stage.deliveries._give_up_for("old")
        assert await stage.waiting("old") == 1
        stage.now_ms += 24 * HOUR + 1
        await stage.deliveries._give_up_for("old")
        assert stage.dead_letters == [("receiver_removed", "old", ALERT.alert_id)]
        stage.now_ms += 48 * HOUR
        await stage.deliveries._give_up_for("old")
        assert await stage.queues.receivers() == []

    play(scenario)


def test_position_of_the_record_is_that_of_the_dead_letter() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED]))
        await stage.deliveries.queue([record_of(ALERT, 42)])
        await stage.round(after_ms=25 * HOUR)
        headers = dict(stage.publisher.published[0].headers)
        assert headers[dead_letters.HEADER_ERROR_TOPIC] == b"reviews.alerts"
        assert headers[dead_letters.HEADER_ERROR_OFFSET] == b"42"

    play(scenario)
