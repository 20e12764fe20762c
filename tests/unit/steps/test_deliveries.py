"""To whom an alert is delivered, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stream_app.records import Alert, Position
from stream_app.steps.deliveries import Decision, DeliveryRule, cool_down_key, decide, in_messages, matching, message_id
from stream_app.steps.delivery_queue import Waiting
from stream_app.steps.quiet_hours import QuietHours, quiet_until_ms

HOUR_MS = 3_600_000
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(time(22), time(7), BERLIN)
ALERT = Alert("negative_review|shoes-1|r", "negative_review", "warning", "shoes-1", 0, 0, review_id="r")
CRITICAL = replace(ALERT, severity="critical")


def ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0, *, zone: Any = BERLIN) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=zone).timestamp() * 1000)


NOON = ms(2026, 5, 1, 12)
MIDNIGHT = ms(2026, 5, 2, 0)


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (DeliveryRule("a"), True),
        (DeliveryRule("a", severity="warning"), True),
        (DeliveryRule("a", severity="critical"), False),
        (DeliveryRule("a", rules=("negative_review",)), True),
        (DeliveryRule("a", rules=("safety", "recovered")), False),
        (DeliveryRule("a", products=("hats-*", "shoes-?")), True),
        (DeliveryRule("a", products=("shoes",)), False),
        (DeliveryRule("a", products=("SHOES-*",)), False),
    ],
)
def test_rule_holds_by_severity_alert_rule_and_product(rule: DeliveryRule, holds: bool) -> None:
    assert matching([rule], ALERT) == ({"a": rule} if holds else {})


@pytest.mark.parametrize(
    ("recovered_from", "severity", "holds"),
    [
        ("negative_spike", "warning", True),
        ("negative_spike", "critical", False),
        ("safety_cluster", "critical", True),
    ],
)
def test_end_reaches_whom_the_alert_reached(recovered_from: Any, severity: Any, holds: bool) -> None:
    end = replace(ALERT, rule="recovered", severity="info", review_id=None, recovered_from=recovered_from)
    rule = DeliveryRule("a", severity=severity, cool_down_ms=HOUR_MS)

    assert matching([rule], end) == ({"a": rule} if holds else {})
    assert decide(rule, end, NOON, NOON + 1) == Decision(None, NOON), "whatever cools down"


def test_first_rule_that_holds_decides_for_each_receiver() -> None:
    rules = [
        DeliveryRule("a", severity="critical"),
        DeliveryRule("a", cool_down_ms=1),
        DeliveryRule("a"),
        DeliveryRule("b"),
    ]
    assert matching(rules, ALERT) == {"a": rules[1], "b": rules[3]}


def test_cool_down_suppresses_until_its_end() -> None:
    rule = DeliveryRule("a", cool_down_ms=HOUR_MS)

    assert decide(rule, ALERT, NOON, None) == Decision(None, NOON)
    assert decide(rule, ALERT, NOON, NOON + 1) == Decision("cool_down", NOON)
    assert decide(rule, ALERT, NOON, NOON) == Decision(None, NOON)


def test_cool_down_of_a_clock_that_was_ahead_is_not_believed() -> None:
    """It would suppress for years."""
    rule = DeliveryRule("a", cool_down_ms=HOUR_MS)

    assert decide(rule, ALERT, NOON, NOON + HOUR_MS) == Decision("cool_down", NOON)
    assert decide(rule, ALERT, NOON, NOON + HOUR_MS + 1) == Decision(None, NOON)


def test_cool_downs_are_apart_by_product_rule_and_severity() -> None:
    others = [
        replace(ALERT, product_id="shoes-2"),
        replace(ALERT, rule="safety"),
        replace(ALERT, severity="info"),
    ]
    assert len({cool_down_key(one) for one in (ALERT, *others)}) == 4
    assert cool_down_key(ALERT) == cool_down_key(replace(ALERT, alert_id="other", review_id="other"))


def test_critical_alert_is_due_at_once_whatever_the_rule_says() -> None:
    rule = DeliveryRule("a", cool_down_ms=HOUR_MS, digest_ms=HOUR_MS, quiet_hours=NIGHT)

    assert decide(rule, CRITICAL, MIDNIGHT, MIDNIGHT + 1) == Decision(None, MIDNIGHT)
    assert decide(rule, ALERT, MIDNIGHT, MIDNIGHT + 1) == Decision("cool_down", MIDNIGHT)


def test_quiet_hours_suppress_and_with_a_digest_hold_it_back() -> None:
    assert decide(DeliveryRule("a", quiet_hours=NIGHT), ALERT, MIDNIGHT, None) == Decision("quiet_hours", MIDNIGHT)
    assert decide(DeliveryRule("a", quiet_hours=NIGHT), ALERT, NOON, None) == Decision(None, NOON)

    digest = DeliveryRule("a", digest_ms=HOUR_MS, quiet_hours=NIGHT)
    morning = ms(2026, 5, 2, 7)
    assert decide(digest, ALERT, MIDNIGHT, None) == Decision(None, morning, morning)
    assert decide(digest, ALERT, NOON + 1, None) == Decision(None, NOON + HOUR_MS, NOON + HOUR_MS)
    evening = ms(2026, 5, 1, 21, 30)
    assert decide(digest, ALERT, evening, None) == Decision(None, morning, morning), "it would be sent at 22:00"


def test_end_of_an_alert_is_delivered_though_it_comes_in_quiet_hours() -> None:
    """Else its incident would stay open for ever; chats and mailboxes are left in peace."""
    end = replace(ALERT, rule="recovered", severity="info", review_id=None, recovered_from="negative_spike")
    rule = DeliveryRule("a", quiet_hours=NIGHT)

    assert decide(rule, end, MIDNIGHT, None, keeps_incidents=True) == Decision(None, MIDNIGHT)
    assert decide(rule, end, MIDNIGHT, None) == Decision("quiet_hours", MIDNIGHT)
    assert decide(rule, end, NOON, None) == Decision(None, NOON)
    assert decide(rule, ALERT, MIDNIGHT, None, keeps_incidents=True) == Decision("quiet_hours", MIDNIGHT)


def test_alerts_of_one_period_are_due_together() -> None:
    rule = DeliveryRule("a", digest_ms=HOUR_MS)

    assert {decide(rule, ALERT, NOON + after, None).due_at_ms for after in (0, 1, HOUR_MS - 1)} == {NOON + HOUR_MS}


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ((2026, 5, 1, 21, 59), None),
        ((2026, 5, 1, 22, 0), (2026, 5, 2, 7)),
        ((2026, 5, 2, 6, 59), (2026, 5, 2, 7)),
        ((2026, 5, 2, 7, 0), None),
        ((2026, 3, 29, 1, 30), (2026, 3, 29, 7)),  # an hour later the clock jumps from 2 to 3
        ((2026, 10, 24, 23, 0), (2026, 10, 25, 7)),  # the hour from 2 to 3 comes twice
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(at: Any, until: Any) -> None:
    assert quiet_until_ms(NIGHT, ms(*at)) == (None if until is None else ms(*until))


def test_quiet_hours_of_one_day() -> None:
    lunch = QuietHours(time(12), time(13), ZoneInfo("UTC"))

    assert quiet_until_ms(lunch, ms(2026, 5, 1, 12, 30, zone=UTC)) == ms(2026, 5, 1, 13, zone=UTC)
    assert quiet_until_ms(lunch, ms(2026, 5, 1, 13, zone=UTC)) is None


def waiting(number: int, digest: int | None = None, due: int = 5) -> Waiting:
    alert = replace(ALERT, alert_id=f"{number:03}")
    return Waiting(alert, Position("reviews.alerts", 0, number), 0, 0, due, digest)


def test_digests_are_messages_of_twenty_alerts_and_others_are_alone() -> None:
    alone = [waiting(1), waiting(2)]
    digest = [waiting(number, digest=9) for number in range(10, 35)]
    other = waiting(40, digest=8)

    messages = in_messages([alone[0], *digest, alone[1], other])

    assert [len(one) for one in messages] == [1, 20, 5, 1, 1]
    assert messages[1] + messages[2] == tuple(digest)


def test_digest_that_failed_keeps_its_alerts_when_others_are_due() -> None:
    """With others, it would have another id: the receiver could not tell that it has it already."""
    failed = [waiting(number, digest=9, due=77) for number in range(3)]
    later = [waiting(number, digest=9, due=9) for number in range(3, 6)]

    assert in_messages([*later, *failed]) == [tuple(later), tuple(failed)]


def test_id_of_a_message_is_of_its_alerts_and_its_receiver() -> None:
    first, second = waiting(1), waiting(2)
    ids = [
        message_id("a", [first]),
        message_id("b", [first]),
        message_id("a", [second]),
        message_id("a", [first, second]),
    ]

    assert len(set(ids)) == 4
    assert message_id("a", [replace(first, due_at_ms=99, queued_at_ms=5)]) == ids[0]
    assert message_id("a", [replace(first, alert=replace(first.alert, severity="critical"))]) != ids[0]
    assert all(one.startswith("msg_") and one[4:].isalnum() and len(one) == 36 for one in ids)
