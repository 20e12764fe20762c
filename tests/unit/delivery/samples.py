"""Alerts and messages that the tests of bodies share."""

from __future__ import annotations

from stream_app.delivery.receivers import Notification
from stream_app.records import Alert
from stream_app.steps.delivery_queue import Suppression

RAISED_MS = 1_777_629_601_100  # 2026-05-01T10:00:01.100Z

SAFETY = Alert(
    alert_id="safety|p-1|r-1",
    rule="safety",
    severity="critical",
    product_id="p-1",
    created_at_ms=RAISED_MS - 1_801_100,
    raised_at_ms=RAISED_MS,
    review_id="r-1",
    revision=3,
    rating=2,
    sentence="I burned <my> hand & arm!",
    safety_words=("burn",),
    reason="terms",
)
NEGATIVE = Alert(
    alert_id="negative_review|p-2|r-2",
    rule="negative_review",
    severity="warning",
    product_id="p-2",
    created_at_ms=RAISED_MS,
    raised_at_ms=RAISED_MS + 5,
    review_id="r-2",
    rating=1,
    p_negative=0.9712,
    sentence="It broke.",
    reason="sentiment",
)
RECOVERED = Alert("recovered|p-1", "recovered", "info", "p-1", RAISED_MS, RAISED_MS)
HOSTILE = Alert(
    alert_id="safety|" + "%F0%9F%94%A5" * 128 + "|" + "r" * 128,
    rule="safety",
    severity="critical",
    product_id="🔥" * 128,
    created_at_ms=RAISED_MS,
    raised_at_ms=RAISED_MS,
    review_id="<" * 128,
    rating=1,
    p_negative=1.0,
    sentence="&" * 20_000,
    safety_words=("burn",) * 500,
)
"""Every part as long as it may be, of characters that are escaped or encoded."""


def notification(
    *alerts: Alert,
    suppressed: dict[Suppression, int] | None = None,
    product_url: str = "",
    is_test: bool = False,
) -> Notification:
    return Notification("msg_1", alerts, suppressed or {}, product_url, is_test)
