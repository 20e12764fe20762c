"""Times on the wire: RFC 3339; inside: milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, e.g. 2026-05-01T12:00:00.000Z."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def from_rfc3339(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 date and time; without zone it is UTC. Raises ValueError."""
    if len(text) < 19 or text[4] != "-" or text[10] not in "Tt ":
        raise ValueError("not of the form 2026-05-01T12:00:00Z")
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000
