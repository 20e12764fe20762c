"""The simulated shop, and the arithmetic of delays."""

from __future__ import annotations

from math import isclose

import numpy as np
import pytest

from benchmarks.probes.spike_shops import alarms, healthy_year, season, steady
from benchmarks.probes.spikes import Delay, delays
from stream_app.steps.spikes import KEPT_DAYS, Hour, Share


@pytest.mark.parametrize(("before", "after", "bound"), [(0.10, 0.40, 22), (0.05, 0.15, 98)])
def test_bound_is_lordens(before: float, after: float, bound: int) -> None:
    one = Delay(before, after, 0.3, arl=1000.0, false=1, delays=(10.0, 20.0))

    assert round(one.bound) == bound
    assert one.mean == 15.0


def test_state_has_the_kept_days_by_hour_and_what_is_older() -> None:
    reviews = steady(2, 400, 300.0, 0.1, 50, seed=1)
    older, hours = reviews.state(1, 799)

    assert older.reviews + sum(one.reviews for one in hours) == 400 + 50
    assert older.bad + sum(one.bad for one in hours) == reviews.older[1, 0] + reviews.bad[400:].sum()
    assert hours == sorted(hours)
    assert hours[-1].hour // 24 - hours[0].hour // 24 <= KEPT_DAYS
    assert reviews.state(0, 0) == (
        Share(int(reviews.older[0, 0]), 50),
        [Hour(int(reviews.hour[0]), int(reviews.bad[0]), 1)],
    )


def test_screened_alarms_are_those_of_judging_after_each_bad_review() -> None:
    shop = steady(40, 300, 200.0, 0.1, 100, seed=2)
    screened = [(product, index) for product, index, _ in alarms(shop, 0.2)]

    assert screened == [(product, index) for product, index, _ in alarms(shop, 0.2, screened=False)]
    assert len(screened) > 3


def test_healthy_year_has_the_products_and_months_that_it_says() -> None:
    negative, stars, months = healthy_year(50, seed=3)

    assert len(stars.of) == len(negative.of) == 51
    assert 50 * 8 < months < 50 * 13.3
    assert (
        np.diff(stars.hour)[np.diff(np.searchsorted(stars.of, np.arange(len(stars.hour)), "right")) == 0] >= 0
    ).all()
    assert isclose(season(365).mean(), 1.0)


def test_product_that_turns_bad_is_found() -> None:
    assert max(delays(0.1, 0.6, 0.0005, repeats=3, seed=4)) < 60
