"""Finds out whether a time lies within quiet hours of a time zone."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from stream_app.records import value


@value
class QuietHours:
    """From ``start`` to ``end`` of each day in ``zone``; over midnight where ``end`` is earlier. They differ."""

    start: time
    end: time
    zone: ZoneInfo


def quiet_until_ms(quiet: QuietHours, now_ms: int) -> int | None:
    """When the quiet hours end that ``now_ms`` lies in (ms since 1970); None outside of them.

    By the clock on the wall: where it is put forward or back, the hours are shorter or longer.
    """
    local = datetime.fromtimestamp(now_ms / 1000, quiet.zone)
    at = local.time()
    over_midnight = quiet.end < quiet.start
    inside = (at >= quiet.start or at < quiet.end) if over_midnight else quiet.start <= at < quiet.end
    if not inside:
        return None
    days = 1 if over_midnight and at >= quiet.start else 0
    end = datetime.combine(local.date() + timedelta(days=days), quiet.end, quiet.zone)
    return max(now_ms + 1, int(end.timestamp() * 1000))  # an hour that comes twice ends at its first end
