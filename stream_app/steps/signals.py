"""What recommendation, search, inventory and advertising join on, computed from the summary of a product."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from stream_app.records import AspectSummary, Change, Counts, Estimate, ProductSignals, ProductSummary, TopAspect, Trend
from stream_app.steps.spikes import PRIOR

STARS_PRIOR = (0.59, 1.01, 2.03, 3.99, 11.18)
"""Pseudo-counts of 1 to 5 stars (a Dirichlet prior): a product of which nothing is known counts as 18.8 reviews with a
mean of 4.28 stars. Weight and share of one and two stars are those of ``spikes.PRIOR``; how both shares are split into
stars is an assumption."""

MIN_SAYING = 2
"""Reviews that must say so before an aspect is named."""

_Z = 1.959964  # 97.5 % of a standard normal distribution lie below
_DECIMALS = 4
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000


def signals_of(summary: ProductSummary) -> ProductSignals:
    """The signals of the product. They depend on its state and on the hour of ``as_of_ms`` alone.

    ``score`` and ``negative_share`` are posterior means, drawn towards the prior where there are few reviews.
    ``trend`` is that of the negative reviews; of the stars where too few have a sentiment. ``reviews_per_day`` over N
    days: reviews since the beginning of the UTC day N days before, by the days passed since, to the end of the hour.
    """
    everything = summary.windows["all"]
    negative, judged = everything.negative, everything.negative + everything.neutral + everything.positive
    rated = sum(everything.stars)
    return ProductSignals(
        product_id=summary.product_id,
        as_of_ms=summary.as_of_ms,
        state_version=summary.state_version,
        reviews=everything.reviews,
        low_evidence=summary.low_evidence,
        score=score(everything),
        rated=rated,
        negative_share=share(negative, judged),
        negative=negative,
        judged=judged,
        trend=_trend(summary.trend),
        praise=_top(summary.aspects or {}, "positive"),
        complaint=_top(summary.aspects or {}, "negative"),
        mismatches=summary.mismatches,
        mismatch_share=round(summary.mismatches / rated, _DECIMALS) if rated else None,
        reviews_per_day={
            days: round(reviews / _days_since(days, summary.as_of_ms), _DECIMALS)
            for days, reviews in summary.recent_reviews.items()
        },
        last_review_at_ms=summary.last_review_at_ms,
    )


def score(counts: Counts) -> Estimate:
    """The mean of the stars under a Dirichlet prior, and its 95 % interval by a normal approximation.

    With N = sum(n + prior), p = (n + prior) / N: mean = sum(k p), variance = (sum(k² p) - mean²) / (N + 1); after
    E. Miller, "Ranking Items With Star Ratings" (2014), which takes 1 of each star for the prior.
    """
    weights = [max(0, n) + prior for n, prior in zip(counts.stars, STARS_PRIOR, strict=True)]
    total = sum(weights)
    mean = sum(star * weight for star, weight in enumerate(weights, start=1)) / total
    square = sum(star * star * weight for star, weight in enumerate(weights, start=1)) / total
    error = _Z * math.sqrt((square - mean * mean) / (total + 1))
    return _rounded(mean, max(1.0, mean - error), min(5.0, mean + error))


def share(negative: int, judged: int) -> Estimate:
    """The share of negative reviews under a beta prior (``spikes.PRIOR``): mean a / (a + b) of the posterior
    beta(a, b), and its 95 % interval: 2.3 to 2.9 % lie beyond either end.

    The log-odds of beta(a, b) have the mean digamma(a) - digamma(b) and the cumulants trigamma(a) + trigamma(b) and
    psi''(a) - psi''(b); their quantiles follow by Cornish and Fisher's expansion (1938) to the skewness.
    """
    a = PRIOR[0] + max(0, negative)
    b = PRIOR[1] + max(0, judged - negative)
    middle = _digamma(a) - _digamma(b)
    deviation = math.sqrt(_trigamma(a) + _trigamma(b))
    skewness = (_tetragamma(a) - _tetragamma(b)) / deviation**3
    shift = (_Z * _Z - 1) * skewness / 6
    return _rounded(
        a / (a + b), _logistic(middle + (shift - _Z) * deviation), _logistic(middle + (shift + _Z) * deviation)
    )


def _trend(trend: Trend | None) -> Change:
    if trend is None:
        return "too_few"
    return trend.negative.change if trend.negative.change != "too_few" else trend.stars.change


def _top(aspects: Mapping[str, AspectSummary], said: Literal["positive", "negative"]) -> TopAspect | None:
    """Of all time; of equals the one whose id comes first."""
    counted = [(getattr(one.windows["all"], said), one.windows["all"].mentions, name) for name, one in aspects.items()]
    found = [one for one in counted if one[0] >= MIN_SAYING]
    if not found:
        return None
    reviews, mentions, name = min(found, key=lambda one: (-one[0], one[2]))
    return TopAspect(name, reviews, mentions)


def _days_since(days: int, as_of_ms: int) -> float:
    begun = (as_of_ms // _DAY_MS - days) * _DAY_MS
    return ((as_of_ms // _HOUR_MS + 1) * _HOUR_MS - begun) / _DAY_MS


def _rounded(mean: float, low: float, high: float) -> Estimate:
    return Estimate(round(mean, _DECIMALS), round(low, _DECIMALS), round(high, _DECIMALS))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _digamma(x: float) -> float:
    """For x > 0: shifted to 6 and more, where the asymptotic series is good to 1e-8 (Abramowitz and Stegun, 6.3.18)."""
    shifted = 0.0
    while x < 6:
        shifted -= 1 / x
        x += 1
    square = 1 / (x * x)
    return shifted + math.log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square / 252))


def _trigamma(x: float) -> float:
    """The same of its derivative (6.4.12)."""
    shifted = 0.0
    while x < 6:
        shifted += 1 / (x * x)
        x += 1
    square = 1 / (x * x)
    return shifted + 1 / x + square / 2 + square / x * (1 / 6 - square * (1 / 30 - square / 42))


def _tetragamma(x: float) -> float:
    """The same of the second derivative (6.4.13)."""
    shifted = 0.0
    while x < 6:
        shifted -= 2 / x**3
        x += 1
    square = 1 / (x * x)
    return shifted - square * (1 + 1 / x + square * (0.5 - square / 6 + square * square / 6))
