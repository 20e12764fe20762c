"""Windows summed from packed days are what the fold sums from hours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from stream_app.steps import fold, product_summary
from stream_app.store import packing
from stream_app.store.windows import window_tallies

HOUR_MS = 3_600_000
TALLIES = some.tuples(*[some.integers(0, 10**9)] * len(fold.EMPTY_TALLY))


def packed_days(buckets: dict[int, fold.Tally]) -> dict[int, bytes]:
    """As apply.lua packs them."""
    days: dict[int, bytes] = {}
    for hour, tally in buckets.items():
        day, hour_of_day = divmod(hour, 24)
        days[day] = days.get(day, b"") + f";{hour_of_day} {packing.pack_integers(tally)}".encode()
    return days


@given(
    hours_ago=some.dictionaries(some.integers(-60, 24 * 33), TALLIES, max_size=60),
    now_hour=some.integers(-100, 1000),
    within_the_hour_ms=some.integers(0, HOUR_MS - 1),
)
def test_packed_days_sum_to_the_windows_of_the_fold(
    hours_ago: dict[int, fold.Tally], now_hour: int, within_the_hour_ms: int
) -> None:
    """Whatever hours a product has, also some of tomorrow, of hours that are over, and before 1970."""
    buckets = {now_hour - ago: tally for ago, tally in hours_ago.items()}
    now_ms = now_hour * HOUR_MS + within_the_hour_ms

    assert window_tallies(packed_days(buckets), now_ms) == product_summary.window_tallies(buckets, now_ms)


def test_day_that_changed_is_summed_again() -> None:
    """What is kept of a day is kept by its content, so one more review in it is seen at once."""
    one = {0: b";5 1 0 0 0 0 0 0 0 0 9000"}
    two = {0: b";5 2 0 0 0 0 0 0 0 0 9500"}

    assert window_tallies(one, 6 * HOUR_MS)["24h"][0] == 1
    assert window_tallies(two, 6 * HOUR_MS)["24h"][0] == 2
