"""The headers of Standard Webhooks 1.0: which message this is, when it was sent, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook


def signed_headers(secrets: Sequence[str], message_id: str, now_ms: int, body: bytes) -> dict[str, str]:
    """``webhook-signature`` holds a signature by each ``whsec_`` secret, separated by spaces; none without secrets."""
    at = datetime.fromtimestamp(now_ms // 1000, UTC)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(now_ms // 1000)}
    if secrets:
        signatures = [Webhook(secret).sign(message_id, at, body.decode()) for secret in secrets]
        headers["webhook-signature"] = " ".join(signatures)
    return headers
