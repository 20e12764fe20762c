"""Two-sided tests of whether two groups differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

_FEW_EXPECTED = 10
_AS_UNLIKELY = 1 + 1e-7  # tables that are equally unlikely differ in the last digits


def p_value_of_shares(a: int, n: int, b: int, m: int) -> float:
    """How likely shares as different as ``a`` of ``n`` and ``b`` of ``m`` (both above 0) are, either way, by chance.

    Fisher's exact test where fewer than 10 are expected in one of the four cells, else the two-proportion z-test with a
    pooled variance: z = (a/n - b/m) / sqrt(p (1 - p) (1/n + 1/m)), p = (a + b) / (n + m).
    """
    both, all_ = a + b, n + m
    if both in (0, all_):
        return 1.0
    if min(n, m) * min(both, all_ - both) < _FEW_EXPECTED * all_:
        return _fisher(a, n, m, both)
    pooled = both / all_
    z = (a / n - b / m) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return _two_sided(z)


def p_value_of_ranks(one: Sequence[int], other: Sequence[int]) -> float:
    """How likely two distributions over the same ordered values (how many of each) are as different, either way.

    Mann-Whitney U, normal approximation with the correction for ties and for continuity: good from about 8 of each.
    """
    n, m = sum(one), sum(other)
    total = n + m
    below, rank_sum, ties = 0, 0.0, 0
    for a, b in zip(one, other, strict=True):
        rank_sum += a * (below + (a + b + 1) / 2)
        ties += (a + b) ** 3 - (a + b)
        below += a + b
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    distance = abs(rank_sum - n * (n + 1) / 2 - n * m / 2)
    return _two_sided(max(0.0, distance - 0.5) / math.sqrt(variance))


def _fisher(a: int, n: int, m: int, both: int) -> float:
    """The sum of the probabilities of all tables with these margins that are at most as likely as this one."""
    possible = range(max(0, both - m), min(n, both) + 1)
    logs = [_log_choose(n, k) + _log_choose(m, both - k) for k in possible]
    highest = max(logs)
    weights = [math.exp(one - highest) for one in logs]
    observed = weights[a - possible.start] * _AS_UNLIKELY
    return min(1.0, sum(one for one in weights if one <= observed) / sum(weights))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))
