"""Decides to whom an alert is delivered, and when: matching of rules, cool-down, quiet hours, digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from stream_app.records import RAISED_SEVERITIES, SEVERITIES, Alert, Handling, Rule, Severity, value
from stream_app.steps.delivery_queue import Suppression, Waiting
from stream_app.steps.handling import suppression_by
from stream_app.steps.quiet_hours import QuietHours, quiet_until_ms

_NOT_HANDLED = Handling()

MAX_DIGEST_ALERTS = 20
"""Alerts of one message; the others of a digest follow in further ones."""


@value
class DeliveryRule:
    """Which alerts a receiver gets, and how quietly. Empty ``rules`` and ``products`` (globs): all.

    ``severity``: the least one. Times are in ms, 0: none.
    """

    receiver: str
    severity: Severity = "info"
    rules: tuple[Rule, ...] = ()
    products: tuple[str, ...] = ()
    cool_down_ms: int = 0
    digest_ms: int = 0
    quiet_hours: QuietHours | None = None


@value
class Decision:
    """``suppressed``: why it is not delivered; else it is due at ``due_at_ms``, as a part of a digest if named."""

    suppressed: Suppression | None
    due_at_ms: int
    digest_at_ms: int | None = None


def matching(rules: Iterable[DeliveryRule], alert: Alert) -> dict[str, DeliveryRule]:
    """For each receiver the first rule that holds for the alert."""
    found: dict[str, DeliveryRule] = {}
    for rule in rules:
        if (
            rule.receiver not in found
            and SEVERITIES.index(_severity_for(alert)) >= SEVERITIES.index(rule.severity)
            and (not rule.rules or alert.rule in rule.rules)
            and (not rule.products or any(fnmatchcase(alert.product_id, one) for one in rule.products))
        ):
            found[rule.receiver] = rule
    return found


def _severity_for(alert: Alert) -> Severity:
    """What a rule's severity is compared with: who gets the alert that something began gets the one that it is over."""
    return RAISED_SEVERITIES[alert.recovered_from] if alert.recovered_from else alert.severity


def cool_down_key(alert: Alert) -> str:
    """What a receiver's cool-down is kept by: product, rule and severity."""
    return f"{alert.rule}|{alert.severity}|{alert.product_id}"


def decide(
    rule: DeliveryRule,
    alert: Alert,
    now_ms: int,
    cool_down_until_ms: int | None,
    handling: Handling = _NOT_HANDLED,
    *,
    keeps_incidents: bool = False,
) -> Decision:
    """When the alert is delivered, or why not. A critical one is always due now.

    A cool-down that ends later than one that began now is not believed: a clock was ahead. No cool-down suppresses
    ``recovered``, nor do quiet hours where the receiver ``keeps_incidents``: what an alert opened would stay open. To
    others it would come in the morning as the last word, though the next alert of the night was only counted.
    """
    if alert.severity == "critical":  # guarantee: critical-is-never-suppressed
        return Decision(None, now_ms)
    if (handled := suppression_by(alert, handling)) is not None:
        return Decision(handled, now_ms)
    is_cooling_down = cool_down_until_ms is not None and now_ms < cool_down_until_ms <= now_ms + rule.cool_down_ms
    if is_cooling_down and alert.rule != "recovered":
        return Decision("cool_down", now_ms)
    if rule.digest_ms:
        digest_at_ms = _digest_at(rule, now_ms)
        return Decision(None, digest_at_ms, digest_at_ms)
    if alert.rule == "recovered" and keeps_incidents:  # guarantee: incidents-end-in-quiet-hours
        return Decision(None, now_ms)
    if rule.quiet_hours is not None and quiet_until_ms(rule.quiet_hours, now_ms) is not None:
        return Decision("quiet_hours", now_ms)
    return Decision(None, now_ms)


def in_messages(waiting: Iterable[Waiting]) -> list[tuple[Waiting, ...]]:
    """What is delivered together: those of one digest, at most MAX_DIGEST_ALERTS; every other alert alone.

    A message that failed keeps its alerts, and so its id: they are due again together, apart from others.
    """
    messages: list[list[Waiting]] = []
    digests: dict[tuple[int, int], list[Waiting]] = {}
    for one in waiting:
        if one.digest_at_ms is None:
            messages.append([one])
            continue
        digest = digests.setdefault((one.digest_at_ms, one.due_at_ms), [])
        if not digest:
            messages.append(digest)
        digest.append(one)
    return [
        tuple(message[at : at + MAX_DIGEST_ALERTS])
        for message in messages
        for at in range(0, len(message), MAX_DIGEST_ALERTS)
    ]


def message_id(receiver: str, message: Iterable[Waiting]) -> str:
    """Names a message to its receiver: the same at each try, by every process."""
    named = "\n".join([receiver, *(one.ref for one in message)])
    return f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"  # guarantee: webhook-id-stays


def _digest_at(rule: DeliveryRule, now_ms: int) -> int:
    """The next full period of UTC, not within quiet hours."""
    at_ms = (now_ms // rule.digest_ms + 1) * rule.digest_ms
    if rule.quiet_hours is None:
        return at_ms
    return quiet_until_ms(rule.quiet_hours, at_ms) or at_ms
