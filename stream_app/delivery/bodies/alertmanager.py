"""The body of kind alertmanager: what Prometheus Alertmanager sends to webhooks, version 4."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from stream_app import contract
from stream_app.delivery.bodies import wording
from stream_app.delivery.receivers import Notification
from stream_app.records import Alert

_NOT_ENDED = "0001-01-01T00:00:00Z"  # as Alertmanager writes it


def alertmanager_body(receiver: str, notification: Notification) -> bytes:
    """One message. An alert of the rule ``recovered`` resolves the spike of its product, which has the same labels;
    every other one is firing, without an end.
    """
    alerts = [_alert(notification, one) for one in notification.alerts]
    firing = any(one["status"] == "firing" for one in alerts)
    return orjson.dumps(
        {
            "version": "4",
            "groupKey": notification.message_id,
            "truncatedAlerts": 0,
            "status": "firing" if firing else "resolved",
            "receiver": receiver,
            "groupLabels": {},
            "commonLabels": _common([one["labels"] for one in alerts]),
            "commonAnnotations": _common([one["annotations"] for one in alerts]),
            "externalURL": "",
            "alerts": alerts,
        }
    )


def _alert(notification: Notification, alert: Alert) -> dict[str, Any]:
    resolved = alert.rule == "recovered"
    labels = {
        "alertname": alert.recovered_from or alert.rule,
        "product_id": alert.product_id,
        **({"aspect": alert.aspect} if alert.aspect and ":" in alert.episode else {}),
        **({"review_id": alert.review_id} if alert.review_id is not None else {}),
        **({"test": "true"} if notification.is_test else {}),
    }
    at = contract.to_rfc3339(alert.raised_at_ms)
    description = [alert.sentence or "", *wording.facts(alert), *wording.remarks(notification)]
    return {
        "status": "resolved" if resolved else "firing",
        # the severity may rise: it identifies no alert
        "labels": labels | {"severity": alert.severity},
        "annotations": {"summary": wording.what(alert), "description": "\n".join(filter(None, description))},
        "startsAt": at,
        "endsAt": at if resolved else _NOT_ENDED,
        "generatorURL": wording.product_link(notification, alert),
        "fingerprint": hashlib.sha256(orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16],
    }


def _common(each: list[dict[str, str]]) -> dict[str, str]:
    first, *others = each
    return {name: one for name, one in first.items() if all(other.get(name) == one for other in others)}
