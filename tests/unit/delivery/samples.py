"""Alerts and messages that the tests of bodies share."""

from __future__ import annotations

from stream_app.delivery.receivers import Notification
from stream_app.records import Alert, AlertQuote
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
SPIKE = Alert(
    alert_id="negative_spike|p-1|2026-05-01T08",
    rule="negative_spike",
    severity="warning",
    product_id="p-1",
    created_at_ms=RAISED_MS,
    raised_at_ms=RAISED_MS,
    sentence="6 of 6 reviews since 2026-05-01 08:00 UTC are negative, 1 of 26 reviews before.",
    reason="sentiment",
    quotes=(AlertQuote("r-1", 0, 1, "It\nbroke & <smokes>."), AlertQuote("r-2", 1, 1, None)),
)
RECOVERED = Alert(
    alert_id="recovered|p-1|negative_spike|2026-05-01T08",
    rule="recovered",
    severity="info",
    product_id="p-1",
    created_at_ms=RAISED_MS,
    raised_at_ms=RAISED_MS,
    reason="ended",
    recovered_from="negative_spike",
)
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
