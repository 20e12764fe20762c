"""Finds the hours in which a product turned bad, from its hour tallies alone.

A chain of sequential tests (Lorden 1971): a run of hours begins with a bad review and lasts as long as it is likelier
if bad reviews have become more frequent than if they have not; where it no longer is, the next bad review begins
another run. The product's share of bad ones is unknown in both cases: their likelihoods are beta-binomial, with the
reviews before the run as the prior. By Ville's inequality the ratio of the likelihoods exceeds A in a run of a healthy
product with a probability of at most about 1 / A, so A follows from the false alarms that are accepted and from how
many runs begin in a month. Delays and false alarms: benchmarks/spikes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log
from typing import NamedTuple

from stream_app.records import value
from stream_app.steps.fold import BUCKET_DAYS, ProductState

Prior = tuple[float, float]
"""Beta distribution of a share of bad reviews: bad, good."""

PRIOR: Prior = (1.6, 17.2)
"""Of the share of bad reviews of a product of which nothing is known: beta, fitted to the one- and two-star reviews of
1,123 products in three public sets (food, musical instruments, clothing; 20,102 reviews)."""

KEPT_DAYS = BUCKET_DAYS

LEAST_BAD = 5
"""A spike has at least this many bad reviews."""

MAX_OLDER = 500.0
"""What lies before the kept days counts as this many reviews at most: a product may change slowly."""

ODDS = (3.0, 8.0)
"""By what the odds of a bad review may have been multiplied; each is half of the alternative. Up to about 1.7 times the
former share, reviews speak against both: no number of them alarms."""

RUN_COST = 0.36
"""Measured: a run of a healthy product exceeds A in fewer than one of A cases, because it ends where its ratio falls
below 1. With this factor a simulated shop has the false alarms that it accepts, or fewer."""

LEAST_A_MONTH = 4
_RELIEF = 5.0
"""A spike has ended when the reviews since some hour are exp(5) times as likely by the former share as by its own."""

_MANY = 8
"""Reviews of an hour, from which the gamma function is faster than their product."""

_LARGEST = 500.0
"""A logarithm whose exponential is a number."""


class Hour(NamedTuple):
    """An hour (since 1970, UTC) that has reviews, and how many of them are bad."""

    hour: int
    bad: int
    reviews: int


class Share(NamedTuple):
    """How many reviews are bad, of how many."""

    bad: int
    reviews: int


@value
class Episode:
    """A time in which the product was worse than before.

    ``start``: its first hour. ``detected``: the hour that sufficed as evidence. ``last``: its newest hour with reviews.
    ``is_over``: it recovered in ``last``. ``window``: its reviews. ``before``: those that they were compared with.
    """

    start: int
    detected: int
    last: int
    is_over: bool
    window: Share
    before: Share


def negative_hours(state: ProductState) -> tuple[Share, list[Hour]]:
    """(what lies before the kept days, the kept hours in order): negative ones of the reviews with a sentiment."""
    return _counted(state, slice(0, 1), slice(0, 3))


def low_star_hours(state: ProductState) -> tuple[Share, list[Hour]]:
    """(what lies before the kept days, the kept hours in order): one and two stars of the reviews with stars."""
    return _counted(state, slice(4, 6), slice(4, 9))


def _counted(state: ProductState, bad: slice, reviews: slice) -> tuple[Share, list[Hour]]:
    hours = [Hour(hour, sum(tally[bad]), sum(tally[reviews])) for hour, tally in sorted(state.buckets.items())]
    of_all = Share(sum(state.totals[bad]), sum(state.totals[reviews]))
    kept = [one for one in hours if one.reviews]
    older = Share(of_all.bad - sum(one.bad for one in kept), of_all.reviews - sum(one.reviews for one in kept))
    return older, kept


def newest_episode(older: Share, hours: Sequence[Hour], accepted: float, prior: Prior = PRIOR) -> Episode | None:
    """The last time in which the product was worse, whether it is over or not; None where there is none.

    ``accepted``: false alarms a month. ``hours`` in order, those with reviews. ``prior``: of the share of bad ones.
    """
    if sum(one.bad for one in hours) < LEAST_BAD:
        return None
    monthly = _power_of_two(max(sum(one.reviews for one in hours), LEAST_A_MONTH))
    normal_bad = normal_reviews = 0  # of the kept hours, outside of episodes and of the present run
    run: _Run | None = None
    found: _Found | None = None
    for one in hours:
        if found is not None and not found.is_over:
            found.add(one)
            continue
        if run is None:
            if not one.bad:
                normal_reviews += one.reviews
                continue
            run = _Run(one.hour, older, Share(normal_bad, normal_reviews), prior)
        run.add(one)
        if run.ratio <= 1.0:
            normal_bad, normal_reviews = normal_bad + run.bad, normal_reviews + run.reviews
            run = None
        elif run.is_enough(monthly, accepted):
            found, run = _Found(run, one.hour), None
    return found.episode() if found else None


class _Run:
    """Hours that speak for a change. ``ratio``: how many times as likely they are where there was one."""

    def __init__(self, start: int, older: Share, normal: Share, prior: Prior) -> None:
        self.start = start
        self.bad = self.reviews = 0
        self.before = Share(older.bad + normal.bad, older.reviews + normal.reviews)
        weight = min(1.0, MAX_OLDER / older.reviews) if older.reviews else 0.0
        bad = prior[0] + weight * older.bad + normal.bad
        good = prior[1] + weight * (older.reviews - older.bad) + normal.reviews - normal.bad
        self.share = bad / (bad + good)
        self._as_before = (bad, good)
        self._worse = [_with_odds(odds, bad, good) for odds in ODDS]
        self._ratios = [1.0 / len(ODDS)] * len(ODDS)
        self.ratio = 1.0

    def add(self, one: Hour) -> None:
        """Weigh this hour too."""
        bad, good = self.bad, self.reviews - self.bad
        as_before = (self._as_before[0] + bad, self._as_before[1] + good)
        self._ratios = [
            ratio * _likelihood_ratio((worse[0] + bad, worse[1] + good), as_before, one.bad, one.reviews - one.bad)
            for ratio, worse in zip(self._ratios, self._worse, strict=True)
        ]
        self.ratio = sum(self._ratios)
        self.bad += one.bad
        self.reviews += one.reviews

    def is_enough(self, monthly: int, accepted: float) -> bool:
        """Is it a spike? A healthy product begins about ``monthly * share`` runs a month."""
        return self.bad >= LEAST_BAD and self.ratio * accepted >= RUN_COST * monthly * self.share


def _with_odds(odds: float, bad: float, good: float) -> Prior:
    """The prior of the share where its odds are ``odds`` times as large, as uncertain as before (in the logit)."""
    more = (odds * bad + good) / (bad + good)
    return bad * more, good * more / odds


def _likelihood_ratio(worse: Prior, as_before: Prior, bad: int, good: int) -> float:
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


class _Found:
    """An episode, and the evidence that it is over."""

    def __init__(self, run: _Run, detected: int) -> None:
        self._run, self._detected, self._last = run, detected, detected
        self._bad, self._reviews = run.bad, run.reviews
        spike = (run.bad + run.share) / (run.reviews + 1)
        self._of_bad = log(run.share / spike)
        self._of_good = log((1 - run.share) / (1 - spike))
        self._relief = 0.0
        self.is_over = False

    def add(self, one: Hour) -> None:
        self._last = one.hour
        self._bad += one.bad
        self._reviews += one.reviews
        relief = self._relief + one.bad * self._of_bad + (one.reviews - one.bad) * self._of_good
        self._relief = max(relief, 0.0)
        self.is_over = self._relief >= _RELIEF

    def episode(self) -> Episode:
        window = Share(self._bad, self._reviews)
        return Episode(self._run.start, self._detected, self._last, self.is_over, window, self._run.before)


def _power_of_two(number: int) -> int:
    """The next one: a threshold that moved with each review would take back what it had found."""
    return 1 << (number - 1).bit_length()
