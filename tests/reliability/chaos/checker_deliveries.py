"""Says which alerts a receiver lacks, or got under a wrong name; shares no code with the product.

at least once   each alert reaches each receiver at its gravest severity: each was answered with 2xx
names           a message that comes again has the id that it had, and no two alerts have one
nothing else    what was delivered was published; nothing came to a host that the file of receivers does not name
independence    while one receiver is in trouble, the other gets its alerts within a bound
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.reliability.chaos.checker import Verdict
from tests.reliability.chaos.published import SEVERITIES, Raised
from tests.reliability.testbed.receivers import SHAKY, STEADY, Delivery

Ref = tuple[str, str]
"""alert_id, severity"""

_SHOWN = 20


def check_deliveries(
    alerts: dict[str, list[Raised]], deliveries: Sequence[Delivery], strayed: Sequence[str], lost: Iterable[Ref] = ()
) -> Verdict:
    """All of it, over everything that was ever published. ``lost``: alerts that a fault was allowed to lose."""
    verdict = Verdict()
    allowed = set(lost)
    for receiver in (STEADY, SHAKY):
        own = [one for one in deliveries if one.receiver == receiver]
        missing = [ref for ref in missing_refs(alerts, own) if ref not in allowed]
        verdict.lost += [f"alert {ref} did not reach {receiver}" for ref in missing[:_SHOWN]]
        verdict.wrong += _wrong_names(receiver, alerts, own)
    verdict.wrong += [f"a redirect to another host was followed: {path}" for path in strayed]
    return verdict


def missing_refs(alerts: dict[str, list[Raised]], deliveries: Iterable[Delivery]) -> list[Ref]:
    """The gravest of each id that was not taken in one of these deliveries."""
    taken = {ref for one in deliveries if one.taken for ref in one.alerts}
    due = ((alert_id, SEVERITIES[max(one.severity for one in raised)]) for alert_id, raised in sorted(alerts.items()))
    return [ref for ref in due if ref not in taken]


def latest_steady(alerts: dict[str, list[Raised]], deliveries: Iterable[Delivery], since: float) -> float:
    """The longest, in seconds, that an alert published ``since`` then took to its first delivery to STEADY."""
    first: dict[Ref, float] = {}
    for one in deliveries:
        if one.receiver == STEADY:
            for ref in one.alerts:
                first.setdefault(ref, one.at)
    waited = [
        first[ref] - raised[0].at
        for alert_id, all_of_id in alerts.items()
        for severity in range(len(SEVERITIES))
        for ref in [(alert_id, SEVERITIES[severity])]
        for raised in [[one for one in all_of_id if one.severity == severity]]
        if raised and raised[0].at >= since and ref in first
    ]
    return max(waited, default=0.0)


def _wrong_names(receiver: str, alerts: dict[str, list[Raised]], deliveries: Iterable[Delivery]) -> Iterable[str]:
    by_id: dict[str, set[tuple[Ref, ...]]] = defaultdict(set)
    by_ref: dict[Ref, set[str]] = defaultdict(set)
    for one in deliveries:
        by_id[one.message_id].add(one.alerts)
        for ref in one.alerts:
            by_ref[ref].add(one.message_id)
    for message_id, named in by_id.items():
        if len(named) > 1:
            yield f"{receiver}: {message_id} names {len(named)} messages: {sorted(named)[:2]}"
    for (alert_id, severity), ids in by_ref.items():
        if len(ids) > 1:
            yield f"{receiver}: alert {alert_id} came under {len(ids)} ids"
        if severity not in {SEVERITIES[one.severity] for one in alerts.get(alert_id, ())}:
            yield f"{receiver}: alert {alert_id} was delivered as {severity}, and not published so"
