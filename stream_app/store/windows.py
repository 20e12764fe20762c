"""The windows of a product, summed from its packed days: equal to the fold's, without an object for each of 720 hours.

Days that are over seldom change, and each is summed once: the sums of the days read last are kept, by the packed day
itself, so a day that has changed is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from stream_app.steps.fold import EMPTY_TALLY, Tally
from stream_app.steps.product_summary import WINDOW_HOURS

_HOUR_MS = 3_600_000
_LAST_HOUR = 23
_DAYS_KEPT = 16_384  # about 1 KB each: those of 500 products with a review in every hour of 30 days, of more where less
_INTEGERS_PER_HOUR = 1 + len(EMPTY_TALLY)


def window_tallies(days: Mapping[int, bytes], now_ms: int) -> dict[str, Tally]:
    """As product_summary.window_tallies. ``days``: since 1970, UTC -> ``;<hour of the day> <tally>;…``."""
    now_hour = now_ms // _HOUR_MS
    today, hour = divmod(now_hour, 24)
    tallies = {}
    for name, hours in WINDOW_HOURS.items():
        first_day, first_hour = divmod(now_hour - hours, 24)
        parts = [
            _tally_between(packed, first_hour if day == first_day else 0, hour if day == today else _LAST_HOUR)
            for day, packed in days.items()
            if first_day <= day <= today
        ]
        tallies[name] = tuple(map(sum, zip(EMPTY_TALLY, *parts, strict=True)))
    return tallies


def day_tallies(days: Mapping[int, bytes]) -> dict[int, Tally]:
    """As product_summary.day_tallies."""
    return {day: _tally_between(packed, 0, _LAST_HOUR) for day, packed in days.items()}


@lru_cache(maxsize=_DAYS_KEPT)
def _tally_between(packed: bytes, first_hour: int, last_hour: int) -> Tally:
    """The sum of a day's hours from ``first_hour`` to ``last_hour``, both included."""
    integers = list(map(int, packed.replace(b";", b" ").split()))
    kept = [
        integers[start + 1 : start + _INTEGERS_PER_HOUR]
        for start in range(0, len(integers), _INTEGERS_PER_HOUR)
        if first_hour <= integers[start] <= last_hour
    ]
    return tuple(map(sum, zip(EMPTY_TALLY, *kept, strict=True)))
