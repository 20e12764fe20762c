"""Alerts that people acknowledged or muted, on their way to receivers."""

from __future__ import annotations

from dataclasses import replace

from stream_app.delivery.outcome import Outcome
from stream_app.delivery.receivers import HttpReceiver
from stream_app.records import Alert, Mute
from stream_app.steps.deliveries import DeliveryRule
from tests.unit.roles.delivery_stage import ALERT, CRITICAL, NOW_MS, FakeSender, Stage, play

MINUTE, HOUR = 60_000, 3_600_000
FAILED = Outcome("HTTP 500")


def of_review(number: int, **changes: object) -> Alert:
    """Another one of the same rule and product."""
    return replace(ALERT, alert_id=f"{ALERT.alert_id}{number}", review_id=f"r{number}", **changes)  # type: ignore[arg-type]


async def mute(stage: Stage, alert: Alert = ALERT, hours: int = 1) -> None:
    await stage.store.record_alerts([alert])
    assert await stage.store.mute(alert.alert_id, Mute("Ana", stage.now_ms, NOW_MS + hours * HOUR), stage.now_ms)


async def acknowledge(stage: Stage, alert: Alert = ALERT) -> None:
    assert await stage.store.acknowledge(alert.alert_id, "Ana", None, stage.now_ms)


def test_muted_alerts_are_counted_in_the_first_message_after_the_mute() -> None:
    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", cool_down_ms=24 * HOUR))
        await mute(stage)
        await stage.alert(of_review(1), of_review(2))
        await stage.round()
        assert stage.senders["a"].sent == []
        stage.now_ms += HOUR
        await stage.alert(of_review(3))
        await stage.round()
        assert stage.senders["a"].alert_ids == [[of_review(3).alert_id]], "and a muted one begins no cool-down"
        assert stage.senders["a"].sent[0].suppressed == {"muted": 2}
        await stage.alert(of_review(1))
        assert await stage.waiting() == 0, "it is delivered to nobody later"

    play(scenario)


def test_mute_of_one_product_or_rule_silences_no_other() -> None:
    async def scenario() -> None:
        stage = Stage()
        await mute(stage)
        others = [of_review(1, rule="safety"), of_review(2, product_id="q")]
        await stage.alert(*others)
        await stage.round()
        assert sorted(stage.senders["a"].alert_ids) == sorted([one.alert_id] for one in others)

    play(scenario)


def test_critical_alert_is_delivered_though_muted_and_acknowledged() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED, Outcome()]))
        await mute(stage, CRITICAL)
        await stage.alert(CRITICAL)
        await stage.round()
        await acknowledge(stage, CRITICAL)
        await stage.round(after_ms=5_000)
        assert stage.senders["a"].alert_ids == [[CRITICAL.alert_id]] * 2
        assert await stage.waiting() == 0

    play(scenario)


def test_alert_acknowledged_while_it_waits_for_a_retry_is_not_delivered() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED, Outcome()]))
        await stage.alert(ALERT)
        await stage.round()
        await acknowledge(stage)
        assert await stage.round(after_ms=5_000), "others may be due"
        assert len(stage.senders["a"].sent) == 1
        assert await stage.waiting() == 0
        await stage.alert(of_review(1))
        await stage.round()
        assert stage.senders["a"].sent[1].suppressed == {"acknowledged": 1}

    play(scenario)


def test_acknowledgement_that_was_taken_back_stops_nothing() -> None:
    async def scenario() -> None:
        stage = Stage()
        await stage.alert(ALERT)
        await acknowledge(stage)
        await stage.store.unacknowledge(ALERT.alert_id)
        await stage.round()
        assert stage.senders["a"].alert_ids == [[ALERT.alert_id]]

    play(scenario)


def test_digest_lacks_what_was_acknowledged_or_muted_meanwhile() -> None:
    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", digest_ms=HOUR))
        other = of_review(9, product_id="q")
        await stage.alert(ALERT, of_review(1), other)
        await acknowledge(stage)
        await mute(stage, other, hours=2)
        stage.now_ms += HOUR
        while await stage.round():
            pass
        assert stage.senders["a"].alert_ids == [[of_review(1).alert_id]]
        assert stage.senders["a"].sent[0].suppressed == {"acknowledged": 1, "muted": 1}

    play(scenario)


def test_replay_of_a_muted_alert_waits_for_nobody() -> None:
    """Whoever wants it delivered ends the mute first."""

    async def scenario() -> None:
        stage = Stage()
        await mute(stage)
        await stage.alert(of_review(1), to="a")
        await stage.round()
        assert stage.senders["a"].sent == []
        assert (await stage.queues.status("a")).suppressed == (("muted", 1),)

    play(scenario)


def test_pagerduty_learns_once_that_somebody_takes_care() -> None:
    """A process may die before it is noted that the acknowledgement waits; other kinds have no word for it."""

    async def scenario() -> None:
        stage = Stage(a=FakeSender(), b=FakeSender())
        stage.receivers.by_name["a"] = HttpReceiver("a", "pagerduty", "")
        await stage.alert(ALERT)
        await stage.round("a")
        await stage.round("b")
        await acknowledge(stage)
        announced = await stage.store.newly_acknowledged(9)
        assert announced == [(ALERT.alert_id, ALERT)]
        await stage.deliveries.announce()
        assert await stage.store.newly_acknowledged(9) == []
        stage.store._newly_acknowledged = {ALERT.alert_id: None}  # it died before
        await stage.deliveries.announce()
        while await stage.round("a") or await stage.round("b"):
            pass
        assert [one.acknowledges for one in stage.senders["a"].sent] == [False, True]
        assert stage.senders["a"].alert_ids[1] == [ALERT.alert_id]
        assert len(stage.senders["b"].sent) == 1

    play(scenario)


def test_acknowledgement_that_cannot_be_delivered_is_no_dead_letter() -> None:
    """A replay would open the incident again."""

    async def scenario() -> None:
        stage = Stage(a=FakeSender([Outcome(), FAILED]))
        stage.receivers.by_name["a"] = HttpReceiver("a", "pagerduty", "")
        await stage.alert(ALERT)
        await stage.round()
        await acknowledge(stage)
        await stage.deliveries.announce()
        await stage.round()
        assert await stage.waiting() == 1
        await stage.round(after_ms=25 * HOUR)
        assert (await stage.waiting(), stage.dead_letters) == (0, [])

    play(scenario)
