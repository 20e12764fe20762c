"""The tests of chance against values that are known from elsewhere."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.chance import p_value_of_ranks, p_value_of_shares


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "p_value"),
    [
        (3, 4, 1, 4, 0.485714),  # Fisher's lady and her tea: 34/70
        (1, 10, 9, 10, 0.001093),
        (8, 10, 1, 6, 0.034965),  # in the documentation of R's and SciPy's fisher_exact
        (0, 8, 20, 20, 0.0),
    ],
)
def test_few_are_compared_exactly(a: int, n: int, b: int, m: int, p_value: float) -> None:
    assert p_value_of_shares(a, n, b, m) == pytest.approx(p_value, abs=1e-5)


def test_many_are_compared_by_the_normal_approximation() -> None:
    """z = (0.5 - 0.4) / sqrt(0.45 * 0.55 * 0.02) = 1.4213."""
    assert p_value_of_shares(50, 100, 40, 100) == pytest.approx(0.15521, abs=1e-4)


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_shares_are_compared_both_ways_alike(n: int, m: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))

    p_value = p_value_of_shares(a, n, b, m)
    assert 0 <= p_value <= 1
    assert p_value_of_shares(b, m, a, n) == pytest.approx(p_value)
    assert p_value_of_shares(n - a, n, m - b, m) == pytest.approx(p_value)


def test_equal_shares_are_no_difference() -> None:
    assert p_value_of_shares(0, 10, 0, 10) == p_value_of_shares(10, 10, 10, 10) == 1.0
    assert p_value_of_shares(100, 1000, 10, 100) == 1.0


def test_large_numbers_take_no_long_sum() -> None:
    assert p_value_of_shares(3, 10**6, 0, 10**6) == pytest.approx(0.25, abs=1e-4)


def test_ranks_agree_with_counting_every_arrangement() -> None:
    """Of eight against eight ratings, all 12,870 ways to deal them out: 5 % are within a point or so."""
    one, other = (4, 2, 1, 1, 0), (0, 1, 1, 3, 3)
    pooled = [value for value, n in enumerate(map(sum, zip(one, other, strict=True))) for _ in range(n)]
    middle = [2 * sum(v < value for v in pooled) + pooled.count(value) for value in pooled]
    expected = sum(middle) / 2
    observed = abs(sum(middle[pooled.index(value)] for value, n in enumerate(one) for _ in range(n)) - expected)
    ways = [abs(sum(dealt) - expected) >= observed - 1e-9 for dealt in combinations(middle, 8)]

    assert p_value_of_ranks(one, other) == pytest.approx(sum(ways) / len(ways), abs=0.002)


@given(*[st.tuples(*[st.integers(0, 50)] * 5).filter(any)] * 2)
def test_ranks_are_compared_both_ways_alike(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    p_value = p_value_of_ranks(one, other)

    assert 0 <= p_value <= 1
    assert math.isclose(p_value, p_value_of_ranks(other, one), rel_tol=1e-9)
    assert p_value_of_ranks(one, one) == 1.0
