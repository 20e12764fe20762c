"""The bodies of messages: a pure function per kind of receiver."""

from __future__ import annotations

from stream_app.delivery.bodies.alertmanager import alertmanager_body
from stream_app.delivery.bodies.generic import generic_body
from stream_app.delivery.bodies.pagerduty import pagerduty_body
from stream_app.delivery.bodies.slack import slack_body
from stream_app.delivery.receivers import HttpReceiver, Notification


def body_of(receiver: HttpReceiver, notification: Notification) -> bytes:
    """What is posted: JSON."""
    match receiver.kind:
        case "webhook":
            return generic_body(notification)
        case "alertmanager":
            return alertmanager_body(receiver.name, notification)
        case "pagerduty":
            return pagerduty_body(receiver.routing_key, notification)
        case "slack":
            return slack_body(notification)
