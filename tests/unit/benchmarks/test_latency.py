"""The numbers of the latency benchmark, from values that a test made up."""

from __future__ import annotations

import math

import pytest

from benchmarks.load.enrich_worker import rate_of
from benchmarks.load.latency import Look, by_fifth, growth


def test_rate_of_a_backlog_leaves_out_its_end() -> None:
    """The last reviews wait for T5 while BERT is idle: that is not what a worker can do."""
    steady = [10 + n / 50 for n in range(100)]

    assert rate_of([*steady, 12.5, 13.0]) == pytest.approx(50, rel=0.02)


def test_rate_of_a_backlog_is_that_of_the_device_although_some_reviews_overtake() -> None:
    """For 20 s half of what is computed has overtaken what it is published behind."""
    first = [n / 25 for n in range(500)]
    then = [20 + n / 75 for n in range(1500)]

    assert rate_of([*first, *then]) == pytest.approx(50, rel=0.03)


def test_rate_of_a_backlog_does_not_count_its_first_batch_which_took_no_time() -> None:
    assert rate_of([*[10.0] * 50, *(10 + n / 50 for n in range(1, 301))]) == pytest.approx(50, rel=0.01)


def test_rate_of_reviews_that_all_came_at_once_is_an_error() -> None:
    """Not infinity, nor a division by zero."""
    with pytest.raises(RuntimeError, match="too few"):
        rate_of([1.0, 1.0])
    with pytest.raises(RuntimeError, match="too few"):
        rate_of([])


def test_medians_by_fifth_follow_the_order_in_which_reviews_were_due() -> None:
    """Only reviews with an alert have a latency; a fifth without any has none."""
    due = {f"r{n}": float(n) for n in reversed(range(10))}
    medians = by_fifth(due, {"r0": 0.1, "r1": 0.1, "r2": 0.2, "r4": 0.3, "r6": 0.4})

    assert medians[:4] == pytest.approx([100, 200, 300, 400])
    assert math.isnan(medians[4])


def test_growth_is_that_of_the_second_half() -> None:
    """The first half fills the device's queue, and would hide that the rest stands still."""
    rising = [Look(float(at), waiting=20 * at, rss_bytes=0) for at in range(11)]
    standing = [Look(float(at), waiting=min(100, 50 * at), rss_bytes=0) for at in range(11)]

    assert growth(rising) == 20
    assert growth(standing) == 0
    assert growth([]) == 0
