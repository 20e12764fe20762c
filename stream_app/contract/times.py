"""Times on the wire: RFC 3339; inside: milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_LONGEST = 64  # characters; fractions of a second may have any number of digits
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_WITHOUT_ZONE = datetime(1970, 1, 1)
_DAY_MS = 86_400_000
_FIRST_MS = (datetime.min - _EPOCH_WITHOUT_ZONE).days * _DAY_MS  # the year 1 begins
_END_MS = ((datetime.max - _EPOCH_WITHOUT_ZONE).days + 1) * _DAY_MS  # the year 9999 ends


@lru_cache(maxsize=4096)  # what is written together happened at the same time
def to_rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, e.g. 2026-05-01T12:00:00.000Z. Years 1 to 9999."""
    seconds, rest = divmod(ms, 1000)
    return f"{_to_the_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=4096)  # or within the same seconds
def _to_the_second(seconds: int) -> str:
    return (_EPOCH_WITHOUT_ZONE + timedelta(0, seconds)).isoformat()


def from_rfc3339(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 date and time; without zone it is UTC. Raises ValueError.

    What is accepted lies between the years 1 and 9999 in UTC too, so that ``to_rfc3339`` can always write it.
    """
    # fromisoformat takes other forms of ISO 8601, too: days of a week, no punctuation, no seconds, no time
    if not 19 <= len(text) <= _LONGEST or text[4] + text[7] + text[13] + text[16] != "--::" or text[10] not in "Tt ":
        raise ValueError("write it like 2026-05-01T12:00:00Z")
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - _EPOCH
    ms = elapsed.days * _DAY_MS + elapsed.seconds * 1000 + elapsed.microseconds // 1000
    if not _FIRST_MS <= ms < _END_MS:
        raise ValueError("in UTC it lies outside the years 1 to 9999")
    return ms
