"""Likelihoods of reviews whose share of bad ones is unknown: beta-binomial."""

from __future__ import annotations

from math import exp, lgamma

Prior = tuple[float, float]
"""Beta distribution of a share of bad reviews: bad, good."""

_MANY = 8
"""Reviews of an hour, from which the gamma function is faster than their product."""

_LARGEST = 500.0
"""A logarithm whose exponential is a number."""


def with_odds(odds: float, bad: float, good: float) -> Prior:
    """The prior of the share where its odds are ``odds`` times as large, as uncertain as before (in the logit)."""
    more = (odds * bad + good) / (bad + good)
    return bad * more, good * more / odds


def likelihood_ratio(worse: Prior, as_before: Prior, bad: int, good: int) -> float:
    """Of reviews in some order, under two priors of the share of bad ones."""
    (worse_bad, worse_good), (as_before_bad, as_before_good) = worse, as_before
    if bad + good > _MANY:
        return exp(min(_log_likelihood(worse, bad, good) - _log_likelihood(as_before, bad, good), _LARGEST))
    ratio = 1.0
    worse_all, as_before_all = worse_bad + worse_good, as_before_bad + as_before_good
    for more in range(bad):
        ratio *= (worse_bad + more) * (as_before_all + more) / ((worse_all + more) * (as_before_bad + more))
    worse_all, as_before_all = worse_all + bad, as_before_all + bad
    for more in range(good):
        ratio *= (worse_good + more) * (as_before_all + more) / ((worse_all + more) * (as_before_good + more))
    return ratio


def _log_likelihood(prior: Prior, bad: int, good: int) -> float:
    a, b = prior
    return lgamma(a + bad) - lgamma(a) + lgamma(b + good) - lgamma(b) + lgamma(a + b) - lgamma(a + b + bad + good)
