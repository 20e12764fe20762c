"""Decides what an acknowledgement or a mute means for an alert."""

from __future__ import annotations

from stream_app.records import SEVERITIES, Acknowledgement, Alert, Handling, Mute
from stream_app.steps.delivery_queue import Suppression

MAX_MUTE_MS = 30 * 24 * 3_600_000
"""A mute that is forgotten ends by itself."""

MAX_NAME = 100
MAX_NOTE = 500


def valid_name(text: str) -> str:
    """Who does it, without spaces around. Raises ValueError."""
    if not (name := _bounded(text, MAX_NAME)):
        raise ValueError("it is empty")
    return name


def valid_note(text: str | None) -> str | None:
    """What they write, without spaces around; None for nothing. Raises ValueError."""
    return _bounded(text or "", MAX_NOTE) or None


def valid_until(until_ms: int, now_ms: int) -> int:
    """When a mute ends. Raises ValueError."""
    if not now_ms < until_ms <= now_ms + MAX_MUTE_MS:  # guarantee: mutes-end
        raise ValueError("it is not within the next 30 days")
    return until_ms


def mute_key(alert: Alert) -> str:
    """What a mute is kept by: rule and product."""
    return f"{alert.rule}|{alert.product_id}"


def handling_of(alert: Alert, acknowledged: Acknowledgement | None, muted: Mute | None, now_ms: int) -> Handling:
    """What of it stands: an alert that became graver since asks again, a mute ends at its time."""
    if acknowledged and SEVERITIES.index(acknowledged.severity) < SEVERITIES.index(alert.severity):
        acknowledged = None
    if muted and muted.until_ms <= now_ms:
        muted = None
    return Handling(acknowledged, muted)


def suppression_by(alert: Alert, handling: Handling) -> Suppression | None:
    """Why it is not delivered; None: it is. A critical one always is: a machine may rely on it."""
    if alert.severity == "critical":  # guarantee: critical-is-delivered-though-muted
        return None
    if handling.acknowledged is not None:
        return "acknowledged"
    return "muted" if handling.muted is not None else None


def _bounded(text: str, most: int) -> str:
    text = text.strip()
    if len(text) > most:
        raise ValueError(f"it has over {most} characters")
    if not text.replace("\n", "").isprintable():  # terminals obey control characters
        raise ValueError("it has control characters")
    return text
