"""Times in Redis that a clock wrote which was ahead are not believed."""

from __future__ import annotations

from stream_app.delivery.outcome import Outcome
from stream_app.steps.deliveries import DeliveryRule
from tests.unit.roles.delivery_stage import ALERT, CRITICAL, FakeSender, Stage, numbered, play

HOUR = 3_600_000
FAILED = Outcome("HTTP 500")


def test_alert_that_was_queued_by_a_clock_ahead_is_delivered() -> None:
    """And tried for a day where it fails."""

    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", digest_ms=24 * HOUR), a=FakeSender([FAILED]))
        stage.now_ms += 2 * HOUR
        await stage.alert(CRITICAL)
        stage.now_ms += 365 * 24 * HOUR
        await stage.alert(numbered(1))
        stage.now_ms -= 365 * 24 * HOUR + 2 * HOUR
        await stage.round()
        assert stage.senders["a"].alert_ids == [[CRITICAL.alert_id], ["negative_review|p1|r"]]
        assert stage.dead_letters == []
        await stage.round(after_ms=25 * HOUR)
        assert len(stage.dead_letters) == 2

    play(scenario)


def test_alert_that_a_clock_three_hours_ahead_queued_is_delivered_when_it_is_put_right() -> None:
    """Not three hours later: as far ahead a digest may be due."""

    async def scenario() -> None:
        stage = Stage()
        stage.now_ms += 3 * HOUR
        await stage.alert(ALERT)
        stage.now_ms -= 3 * HOUR
        await stage.round()
        assert stage.senders["a"].alert_ids == [[ALERT.alert_id]]

    play(scenario)


def test_pause_that_a_wrong_clock_wrote_is_not_believed() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED, Outcome()]))
        await stage.alert(ALERT)
        await stage.round()
        stage.now_ms -= 2 * HOUR
        await stage.alert(CRITICAL)
        await stage.round()
        assert stage.senders["a"].alert_ids[-1] == [CRITICAL.alert_id]

    play(scenario)


def test_removed_receivers_alerts_of_a_clock_that_was_ahead_end_in_the_dead_letter() -> None:
    async def scenario() -> None:
        stage = Stage()
        other = Stage(queues=stage.queues, old=FakeSender())
        other.now_ms += 365 * 24 * HOUR
        await other.alert(ALERT)
        await stage.deliveries._give_up_for("old")
        assert stage.dead_letters == [("receiver_removed", "old", ALERT.alert_id)]

    play(scenario)
