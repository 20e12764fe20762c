"""Queues alerts for the receivers that the rules name."""

from __future__ import annotations

from collections.abc import Sequence

from stream_app import contract, telemetry
from stream_app.delivery.queue import DeliveryQueue
from stream_app.delivery.receivers import Receivers
from stream_app.ports import AlertDesk
from stream_app.records import Alert, Position, RawRecord
from stream_app.steps.deliveries import Decision, DeliveryRule, cool_down_key, decide, matching
from stream_app.steps.delivery_queue import Addition, Waiting, ref_of

_NOWHERE = Position("", -1, -1)  # of what comes of no record
_KEEP_INCIDENTS = ("pagerduty", "alertmanager")  # kinds whose incident `recovered` ends, without a message of ours
_NOW = DeliveryRule("")  # of a replay: no cool-down, no quiet hours, no digest


async def queue_alerts(
    queue: DeliveryQueue,
    desk: AlertDesk,
    receivers: Receivers,
    alerts: Sequence[tuple[RawRecord, Alert]],
    now_ms: int,
) -> set[str]:
    """Queue each for its receivers, or count it where a cool-down, quiet hours or a mute suppress it. Return the
    receivers that alerts were queued for. May be repeated: an alert that was queued before is left alone.
    """
    found = [(record, alert, *one) for record, alert in alerts for one in _rules_of(receivers, record, alert).items()]
    handled = await queue.handled([(name, ref_of(alert)) for _, alert, name, _ in found])
    routes = [one for one, is_handled in zip(found, handled, strict=True) if not is_handled]  # they begin no cool-down
    cooled = [(name, cool_down_key(alert)) for _, alert, name, rule in routes if _cools_down(rule, alert)]
    until = dict(zip(cooled, await queue.cool_downs(cooled), strict=True))
    handling = await desk.handling([alert for _, alert, _, _ in routes], now_ms)
    additions = []
    for (record, alert, name, rule), one in zip(routes, handling, strict=True):
        key = cool_down_key(alert)
        keeps = receivers.by_name[name].kind in _KEEP_INCIDENTS
        cooling = until.get((name, key))
        decision = decide(rule, alert, now_ms, cooling, one, keeps_incidents=keeps)  # guarantee: muted-is-not-queued
        begins = None
        if decision.suppressed is None and _cools_down(rule, alert):
            begins = (key, now_ms + rule.cool_down_ms)
            until[name, key] = begins[1]  # of this poll's next alert
        waiting = Waiting(
            alert,
            Position(record.topic, record.partition, record.offset),
            record.timestamp_ms,
            now_ms,
            _due_at_ms(decision, record, now_ms),
            decision.digest_at_ms,
        )
        additions.append(Addition(name, waiting, decision.suppressed, begins))
    for addition, is_new in zip(additions, await queue.add(additions, now_ms), strict=True):
        if is_new and addition.suppressed is not None:
            telemetry.alert_suppressed_for(addition.receiver, addition.suppressed)
    return {one.receiver for one in additions if one.suppressed is None}


async def queue_acknowledgements(
    queue: DeliveryQueue, receivers: Receivers, alerts: Sequence[Alert], now_ms: int
) -> set[str]:
    """Queue for receivers that have a word for it that these alerts are acknowledged. Return them. May be repeated."""
    additions = [
        Addition(name, Waiting(alert, _NOWHERE, now_ms, now_ms, now_ms, acknowledges=True))
        for alert in alerts
        for name in matching(receivers.rules, alert)
        if receivers.by_name[name].kind == "pagerduty"
    ]
    await queue.add(additions, now_ms)
    return {one.receiver for one in additions}


def _rules_of(receivers: Receivers, record: RawRecord, alert: Alert) -> dict[str, DeliveryRule]:
    named = contract.receiver_named(record)
    if named is None:
        return matching(receivers.rules, alert)
    return {named: _NOW} if named in receivers.by_name else {}  # guarantee: replay-reaches-one-receiver


def _due_at_ms(decision: Decision, record: RawRecord, now_ms: int) -> int:
    """What is to be delivered now is due since it was published: if our clock is ahead, it is due still when the clock
    is put right.
    """
    if decision.digest_at_ms is not None:
        return decision.due_at_ms
    return min(now_ms, record.timestamp_ms)  # guarantee: clock-ahead-delays-no-new-alert


def _cools_down(rule: DeliveryRule, alert: Alert) -> bool:
    return bool(rule.cool_down_ms) and alert.severity != "critical"
