"""Alerts on their way to receivers: retries, independence, what a restart keeps, what ends in the dead letter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import time
from zoneinfo import ZoneInfo

import pytest

from stream_app.delivery.outcome import Outcome
from stream_app.delivery.receivers import HttpReceiver, Receivers
from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.roles.notify import deliveries as deliveries_module
from stream_app.roles.notify import receiver_task
from stream_app.steps.deliveries import DeliveryRule
from stream_app.steps.delivery_queue import ReceiverState
from stream_app.steps.quiet_hours import QuietHours
from tests.behaviour.enriched import deletion
from tests.unit.roles.delivery_stage import ALERT, CRITICAL, FakeSender, Stage, numbered, play
from tests.waiting import wait_until_async

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
FAILED = Outcome("HTTP 500")


def test_alert_is_delivered_with_its_words_and_leaves_the_queue() -> None:
    async def scenario() -> None:
        stage = Stage()
        await stage.alert(ALERT)
        assert await stage.round()
        assert [one.alerts for one in stage.senders["a"].sent] == [(ALERT,)]
        assert await stage.waiting() == 0
        assert not await stage.round()

    play(scenario)


def test_message_that_failed_is_tried_again_with_the_same_id_after_growing_pauses() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED] * 4 + [Outcome()]))
        await stage.alert(ALERT)
        tries = []
        for _ in range(100):
            before = len(stage.senders["a"].sent)
            await stage.round(after_ms=SECOND)
            tries.append(len(stage.senders["a"].sent) - before)
        seconds = [second for second, tried in enumerate(tries, start=1) if tried]
        assert seconds == [1, 6, 16, 36, 76]
        assert len(set(stage.senders["a"].ids)) == 1
        assert (await stage.queues.status("a")).state.failures == 0

    play(scenario)


def test_receiver_that_asks_for_patience_is_left_alone_that_long() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([Outcome("HTTP 429", retry_after_ms=5 * MINUTE), Outcome()]))
        await stage.alert(ALERT)
        await stage.round()
        await stage.alert(CRITICAL)
        await stage.round(after_ms=5 * MINUTE - 1)
        assert len(stage.senders["a"].sent) == 1
        await stage.round(after_ms=1)
        assert len(stage.senders["a"].sent) == 2

    play(scenario)


def test_alert_that_a_receiver_never_takes_delays_no_other() -> None:
    async def scenario() -> None:
        sender = FakeSender([Outcome("HTTP 400"), Outcome()])
        stage = Stage(a=sender)
        await stage.alert(numbered(1))
        await stage.round()
        await stage.alert(numbered(2), numbered(3))
        await stage.round(after_ms=5 * SECOND - 1)
        await stage.round(after_ms=1)
        assert [ids for [ids] in sender.alert_ids] == ["negative_review|p1|r", "negative_review|p2|r"]

    play(scenario)


@pytest.mark.parametrize("refused", [Outcome("HTTP 400", of_message=True), RuntimeError("a bug")])
def test_message_that_is_always_refused_delays_no_critical_alert(refused: object) -> None:
    async def scenario() -> None:
        sender = FakeSender([refused])
        stage = Stage(a=sender)
        await stage.alert(ALERT)
        for _ in range(20):
            await stage.round(after_ms=10 * MINUTE)
        assert len(sender.sent) == 20
        await stage.alert(CRITICAL)
        await stage.round(after_ms=5 * SECOND)
        assert sender.alert_ids[-1] == [CRITICAL.alert_id]

    play(scenario)


def test_graver_alerts_go_first() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED, Outcome()]))
        await stage.alert(*[numbered(n) for n in range(10)])
        await stage.round()
        await stage.alert(CRITICAL)
        await stage.round(after_ms=MINUTE)
        assert stage.senders["a"].alert_ids[-1] == [CRITICAL.alert_id]

    play(scenario)


def test_one_message_at_a_time_probes_a_receiver_that_failed() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED]))
        await stage.alert(*[numbered(n) for n in range(10)])
        await stage.round()
        assert len(stage.senders["a"].sent) == 4
        await stage.round(after_ms=MINUTE)
        assert len(stage.senders["a"].sent) == 5

    play(scenario)


def test_receiver_that_hangs_delays_neither_others_nor_the_queueing() -> None:
    async def scenario() -> None:
        async def hang() -> Outcome:
            await asyncio.Event().wait()
            return FAILED

        hanging, healthy = FakeSender([hang]), FakeSender()
        stage = Stage(a=hanging, b=healthy)
        stage.deliveries.start()
        for number in range(50):
            await stage.alert(numbered(number))
        await wait_until_async(lambda: len(healthy.sent) == 50, 30, "the healthy receiver gets all")
        assert len(hanging.sent) <= 4
        assert await stage.waiting("a") == 50
        await stage.deliveries.stop()
        assert stage.errors == []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries_module, "_STOP_SECONDS", 0.05)
        play(scenario)


def test_receiver_that_is_gone_is_disabled_until_a_person_enables_it() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([Outcome("HTTP 410", gone=True), Outcome()]))
        await stage.alert(ALERT)
        await stage.round()
        await stage.round(after_ms=20 * HOUR)
        assert len(stage.senders["a"].sent) == 1
        assert (await stage.queues.status("a")).state.disabled_at_ms is not None
        await stage.queues.note("a", ReceiverState())
        await stage.round()
        assert len(set(stage.senders["a"].ids)) == 1
        assert await stage.waiting() == 0

    play(scenario)


def test_alert_that_comes_again_is_delivered_once() -> None:
    """A record that was not acknowledged is read again after a restart."""

    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", cool_down_ms=HOUR))
        await stage.alert(ALERT)
        await stage.round()
        await stage.alert(ALERT)
        await stage.alert(replace(ALERT, severity="critical"))
        await stage.round()
        await stage.round()
        assert [one.alerts[0].severity for one in stage.senders["a"].sent] == ["warning", "critical"]
        assert (await stage.queues.status("a")).suppressed == ()

    play(scenario)


def test_words_of_a_review_that_was_deleted_meanwhile_are_not_delivered() -> None:
    async def scenario() -> None:
        stage = Stage(a=FakeSender([FAILED, Outcome()]))
        await stage.alert(ALERT)
        await stage.round()
        await stage.store.apply([replace(deletion("r", revision=1), product_id="p")], 0)
        await stage.round(after_ms=MINUTE)
        first, second = (one.alerts[0] for one in stage.senders["a"].sent)
        assert (first.sentence, first.safety_words) == ("It broke.", ("cut",))
        assert second == replace(ALERT, sentence=None, safety_words=())

    play(scenario)


def test_suppressed_alerts_are_counted_in_the_next_message_once() -> None:
    async def scenario() -> None:
        sender = FakeSender([FAILED, Outcome()])
        stage = Stage(DeliveryRule("a", cool_down_ms=HOUR), a=sender)
        same = [numbered(n, product_id="p") for n in range(4)]
        await stage.alert(*same)
        await stage.round()
        await stage.round(after_ms=MINUTE)
        await stage.alert(numbered(9, product_id="q"))
        await stage.round()
        assert [one.suppressed for one in sender.sent] == [{"cool_down": 3}, {"cool_down": 3}, {}]
        assert sender.alert_ids[1:] == [[same[0].alert_id], ["negative_review|p9|r"]]

    play(scenario)


def test_cool_down_is_kept_over_a_restart() -> None:
    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", cool_down_ms=HOUR))
        await stage.alert(numbered(1, product_id="p"))
        stage.deliveries = stage.worker("two")
        stage.now_ms += HOUR - 1
        await stage.alert(numbered(2, product_id="p"))
        stage.now_ms += 1
        await stage.alert(numbered(3, product_id="p"))
        await stage.round()
        assert sorted(one for [one] in stage.senders["a"].alert_ids) == ["negative_review|p1|r", "negative_review|p3|r"]

    play(scenario)


def test_alert_that_comes_again_begins_no_cool_down() -> None:
    """After a crash it is read again together with new ones."""

    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", cool_down_ms=HOUR))
        old, new = numbered(1, product_id="p"), numbered(2, product_id="p")
        await stage.alert(old)
        await stage.round()
        stage.now_ms += HOUR
        await stage.alert(old, new)
        await stage.round()
        assert stage.senders["a"].alert_ids == [[old.alert_id], [new.alert_id]]

    play(scenario)


def test_digest_is_one_message_and_critical_alerts_do_not_wait_for_it() -> None:
    async def scenario() -> None:
        stage = Stage(DeliveryRule("a", digest_ms=HOUR))
        await stage.alert(numbered(1), CRITICAL, numbered(2))
        await stage.round()
        assert stage.senders["a"].alert_ids == [[CRITICAL.alert_id]]
        await stage.round(after_ms=HOUR)
        assert stage.senders["a"].alert_ids[1:] == [["negative_review|p1|r", "negative_review|p2|r"]]
        assert await stage.waiting() == 0

    play(scenario)


def test_incident_ends_in_quiet_hours_which_others_are_not_disturbed_in() -> None:
    async def scenario() -> None:
        quiet = QuietHours(time(9), time(18), ZoneInfo("UTC"))  # it is 10:00
        rules = (DeliveryRule("chat", quiet_hours=quiet), DeliveryRule("pager", quiet_hours=quiet))
        stage = Stage(*rules, chat=FakeSender(), pager=FakeSender())
        stage.receivers.by_name["pager"] = HttpReceiver("pager", "pagerduty", "")
        end = replace(ALERT, alert_id="recovered|p|rating_drop|1", rule="recovered", severity="info",
                      review_id=None, recovered_from="rating_drop")  # fmt: skip
        await stage.alert(end, numbered(1))
        await stage.round("pager")
        await stage.round("chat")
        assert stage.senders["pager"].alert_ids == [[end.alert_id]]
        assert (stage.senders["chat"].alert_ids, await stage.waiting("chat")) == ([], 0)

    play(scenario)


@pytest.mark.parametrize("first", [Outcome("429 Too Many Requests", retry_after_ms=1), Outcome()])
def test_end_of_an_alert_waits_until_its_alert_was_delivered(first: Outcome) -> None:
    """A receiver that gets them the other way round has an incident that nothing ends."""
    raised = replace(ALERT, alert_id="negative_spike|p|2026-05-01T08", rule="negative_spike", review_id=None)
    ended = replace(
        raised,
        alert_id="recovered|p|negative_spike|2026-05-01T08",
        rule="recovered",
        severity="info",
        recovered_from="negative_spike",
    )
    other = replace(ended, alert_id="recovered|p2|negative_spike|2026-05-01T08", product_id="p2")

    async def scenario() -> None:
        stage = Stage(a=FakeSender([first, Outcome()]))
        await stage.alert(ended, raised, other)
        await stage.round("a")
        assert sorted(stage.senders["a"].alert_ids) == [[raised.alert_id], [other.alert_id]], (
            "not in a round with its end"
        )
        stage.now_ms += 120_000
        for _ in range(4):
            await stage.round("a")
            stage.now_ms += 120_000

        delivered = [name for [name] in stage.senders["a"].alert_ids]
        assert delivered[0] == raised.alert_id
        assert delivered.index(ended.alert_id) > max(at for at, one in enumerate(delivered) if one == raised.alert_id)
        assert sorted(set(delivered)) == sorted([raised.alert_id, ended.alert_id, other.alert_id])
        assert delivered.index(other.alert_id) <= 1, "its alert was delivered long ago"

    play(scenario)


def test_bug_in_a_message_is_a_failure_of_that_message_alone() -> None:
    async def scenario() -> None:
        sender = FakeSender([RuntimeError("It broke."), Outcome()])
        stage = Stage(a=sender)
        await stage.alert(numbered(1), numbered(2))
        await stage.round()
        state = (await stage.queues.status("a")).state
        assert state.last_error == "a bug: RuntimeError"
        await stage.round(after_ms=MINUTE)
        assert await stage.waiting() == 0

    play(scenario)


def test_worker_without_receivers_needs_no_rights_to_their_queues() -> None:
    """As after an upgrade; with receivers it says at once which it lacks."""

    async def scenario() -> None:
        async def refused() -> list[str]:
            raise ConfigurationError("Redis refused: SMEMBERS")

        stage = Stage()
        stage.queues.receivers = refused
        with pytest.raises(ConfigurationError):
            await stage.deliveries._give_up_for_removed()
        stage.receivers = Receivers()
        await stage.worker("two")._give_up_for_removed()

    play(scenario)


def test_server_that_is_silent_holds_no_stop_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its answers would be waited for twice as long as a stop may take in all; the lease ends by itself."""
    monkeypatch.setattr(deliveries_module, "_STOP_SECONDS", 0.05)
    monkeypatch.setattr(receiver_task, "_RELEASE_SECONDS", 0.05)

    async def scenario() -> None:
        async def silence(*names: object) -> None:
            await asyncio.Event().wait()

        stage = Stage()
        stage.queues.release = stage.queues.hold = silence
        stage.deliveries.start()
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await stage.deliveries.stop()
        assert stage.errors == []

    play(scenario)


def test_patience_with_redis_that_is_spent_is_fatal() -> None:
    async def scenario() -> None:
        stage = Stage()
        deliveries = stage.worker("two")
        deliveries._retry._seconds = 0.0
        stage.queues.away = True
        deliveries.start()
        await wait_until_async(lambda: bool(stage.errors), 30, "the error ends the process")
        assert isinstance(stage.errors[0], StoreUnavailable)
        await deliveries.stop()

    play(scenario)
