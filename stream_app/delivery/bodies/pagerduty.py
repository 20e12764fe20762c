"""The body of kind pagerduty: an event of PagerDuty's Events API v2."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import orjson

from stream_app import contract
from stream_app.delivery.bodies import wording
from stream_app.delivery.receivers import Notification
from stream_app.records import Alert

_MAX_SUMMARY = 1024
_MAX_KEY = 255
_MAX_SENTENCE = 1_000
_MAX_SAFETY_WORDS = 20


def pagerduty_body(routing_key: str, notification: Notification) -> bytes:
    """One event. The same alert again, at a higher severity too, joins its incident by ``dedup_key``; ``recovered``
    resolves the incident of its product's spike. A digest is an incident of its own, which no acknowledgement reaches.
    """
    first = notification.alerts[0]
    if notification.acknowledges:
        key = _dedup_key(first)
        return orjson.dumps({"routing_key": routing_key, "event_action": "acknowledge", "dedup_key": key})
    if len(notification.alerts) > 1:
        resolves, dedup_key = False, notification.message_id
    else:
        resolves, dedup_key = first.rule == "recovered", _dedup_key(first)
    links = [
        {"href": link, "text": one.product_id}
        for one in notification.alerts
        if (link := wording.product_link(notification, one))
    ]
    return orjson.dumps(
        {
            "routing_key": routing_key,
            "event_action": "resolve" if resolves else "trigger",
            "dedup_key": dedup_key,
            "client": "stream-app",
            "links": links,
            "payload": {
                "summary": wording.cut(wording.heading(notification), _MAX_SUMMARY),
                "source": first.product_id,
                "severity": wording.gravest(notification.alerts),
                "timestamp": contract.to_rfc3339(first.raised_at_ms),
                "class": first.rule,
                "custom_details": {
                    "alerts": [orjson.Fragment(contract.encode_alert(_short(one))) for one in notification.alerts],
                    "remarks": wording.remarks(notification),
                },
            },
        }
    )


def _short(alert: Alert) -> Alert:
    """An event may have 512 KB; a sentence may be as long as a review."""
    sentence = None if alert.sentence is None else wording.cut(alert.sentence, _MAX_SENTENCE)
    return replace(alert, sentence=sentence, safety_words=alert.safety_words[:_MAX_SAFETY_WORDS])


def _dedup_key(alert: Alert) -> str:
    key = alert.alert_id
    if alert.recovered_from is not None:  # recovered|product|rule|hour; what is over is rule|product|hour
        _, product, rule, hour = key.split("|")
        key = f"{rule}|{product}|{hour}"
    return key if len(key) <= _MAX_KEY else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
