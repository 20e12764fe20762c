"""What the loads of the benchmarks rest on: times that are fixed beforehand, and percentiles."""

from __future__ import annotations

import itertools
import math

import pytest

from benchmarks.load.open_loop import Spread, percentile, poisson_times, spread


def test_times_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    """A run can be repeated."""
    assert poisson_times(50, 4, seed=3) == poisson_times(50, 4, seed=3)
    assert poisson_times(50, 4, seed=3) != poisson_times(50, 4, seed=4)


def test_times_ascend_within_the_load_at_the_rate_asked_for() -> None:
    """On average: the pauses between them are exponential, so some come close together."""
    times = poisson_times(1000, 20, seed=1)
    pauses = sorted(later - earlier for earlier, later in itertools.pairwise(times))

    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < 20
    assert len(times) == pytest.approx(20_000, rel=0.03)
    assert pauses[len(pauses) // 2] == pytest.approx(math.log(2) / 1000, rel=0.05)


def test_percentile_is_the_least_value_that_so_many_do_not_exceed() -> None:
    """Nearest rank: always a value that was measured."""
    values = [float(value) for value in range(1, 101)]

    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 0.999, 1.0)] == [1, 50, 99, 100, 100]
    assert percentile([7.0], 0.5) == 7


def test_spread_of_values_in_any_order() -> None:
    """The order in which answers came does not matter."""
    assert spread([3.0, 1.0, 2.0]) == Spread(3, p50=2, p90=3, p99=3, p999=3, max=3)


def test_spread_of_nothing_has_no_numbers() -> None:
    """No alert in a load is not an alert after 0 ms."""
    nothing = spread([])

    assert nothing.count == 0
    assert all(map(math.isnan, (nothing.p50, nothing.p90, nothing.p99, nothing.p999, nothing.max)))
