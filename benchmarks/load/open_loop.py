"""Loads that do not wait for answers: when each request is due, and how long it took from then on.

A generator that sends the next request only when the last one is answered asks least while the system is slowest, and
so hides what it should show (coordinated omission). Here the times are fixed beforehand, and latency counts from them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Percentiles of ``count`` values, in their own unit; every one is NaN where there is no value."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


def poisson_times(rate: float, seconds: float, seed: int) -> list[float]:
    """When independent people come: ``rate`` a second on average, for ``seconds``; seconds from 0 on, ascending."""
    draw = random.Random(seed).expovariate
    times: list[float] = []
    at = draw(rate)
    while at < seconds:
        times.append(at)
        at += draw(rate)
    return times


def percentile(ascending: list[float], share: float) -> float:
    """The least value that at least ``share`` (0 to 1) of the values do not exceed (nearest rank); NaN of nothing."""
    if not ascending:
        return math.nan
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def spread(values: Iterable[float]) -> Spread:
    """What of the values is usual, and what is rare."""
    ascending = sorted(values)
    p50, p90, p99, p999 = (percentile(ascending, share) for share in (0.5, 0.9, 0.99, 0.999))
    return Spread(len(ascending), p50, p90, p99, p999, ascending[-1] if ascending else math.nan)
