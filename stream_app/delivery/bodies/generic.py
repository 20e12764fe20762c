"""The body of kind webhook: alert-delivery.v1."""

from __future__ import annotations

import orjson

from stream_app import contract
from stream_app.delivery.receivers import Notification
from stream_app.steps.delivery_queue import SUPPRESSIONS


def generic_body(notification: Notification) -> bytes:
    """alert-delivery.v1 as JSON: one or several alert.v1, and how many others were only counted."""
    return orjson.dumps(
        {
            "schema": "alert-delivery.v1",
            "alerts": [orjson.Fragment(contract.encode_alert(one)) for one in notification.alerts],
            "suppressed": {reason: notification.suppressed.get(reason, 0) for reason in SUPPRESSIONS},
            "test": notification.is_test,
        }
    )
