"""Finds the hours in which a product turned bad, from its hour tallies alone.

A chain of sequential tests (Lorden 1971): a run of hours begins with a bad review and lasts as long as it is likelier
if bad reviews have become more frequent than if they have not; where it no longer is, the next bad review begins
another run. The product's share of bad ones is unknown in both cases: their likelihoods are beta-binomial, with the
reviews before the run as the prior. By Ville's inequality the ratio of the likelihoods exceeds A in a run of a healthy
product with a probability of at most about 1 / A, so A follows from the false alarms that are accepted and from how
many runs begin in a month. Delays and false alarms: benchmarks/spikes.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from math import ceil, log
from typing import NamedTuple

from stream_app.records import value
from stream_app.steps.beta_binomial import Prior, likelihood_ratio, with_odds
from stream_app.steps.fold import BUCKET_DAYS

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


class Hour(NamedTuple):
    """An hour (since 1970, UTC) that has reviews, and how many of them are bad."""

    hour: int
    bad: int
    reviews: int


class Share(NamedTuple):
    """How many reviews are bad, of how many."""

    bad: int
    reviews: int


NOTHING = Share(0, 0)


class Basis(NamedTuple):
    """By what an episode was found: ``seen`` from its first hour to ``detected`` was enough for ``threshold`` (the odds
    against chance, before its share), compared with ``older`` (than the kept days) and ``normal`` reviews.
    """

    detected: int
    seen: Share
    threshold: int
    older: Share
    normal: Share


class Noted(NamedTuple):
    """An episode that was found before, by its first and its last hour. ``basis``: None where it is not known."""

    start: int
    last: int
    basis: Basis | None = None


@value
class Episode:
    """A time in which the product was worse than before.

    ``start``: its first hour. ``detected``: the hour that sufficed as evidence. ``last``: its newest hour with reviews.
    ``is_over``: it recovered in ``last``. ``window``: its reviews. ``before``: those that they were compared with.
    ``basis``: of a spike.
    """

    start: int
    detected: int
    last: int
    is_over: bool
    window: Share
    before: Share
    basis: Basis | None = field(default=None, compare=False)


def newest_episode(
    older: Share, hours: Sequence[Hour], accepted: float, prior: Prior = PRIOR, closed: Noted | None = None
) -> Episode | None:
    """The last time in which the product was worse, whether it is over or not; None where there is none.

    ``accepted``: false alarms a month. ``hours`` in order, those with reviews. ``prior``: of the share of bad ones.
    ``closed``: an episode that is over; its hours are evidence for no other one, and only what begins later is looked
    for.
    """
    if sum(one.bad for one in hours) < LEAST_BAD:
        return None
    monthly = _power_of_two(max(sum(one.reviews for one in hours), LEAST_A_MONTH))
    found = list(_episodes(older, NOTHING, hours, ceil(monthly / accepted), prior, closed))
    return found[-1] if found and (closed is None or found[-1].start > closed.last) else None


def noted_episode(
    noted: Noted, older: Share, hours: Sequence[Hour], accepted: float, prior: Prior = PRIOR
) -> Episode | None:
    """What became of an episode that was found before; None: its evidence is gone. Arguments as of ``newest_episode``.

    It is judged by what it was found with, and by its own hours: neither more reviews of the product nor fewer kept
    days take it away, but only an edit or a deletion of what it was found by.
    """
    own = [one for one in hours if one.hour >= noted.start]
    basis = noted.basis
    if basis is None:
        before = [one for one in hours if one.hour < noted.start]
        older = Share(older.bad + sum(one.bad for one in before), older.reviews + sum(one.reviews for one in before))
        basis = Basis(noted.last, NOTHING, ceil(LEAST_A_MONTH / accepted), older, NOTHING)
    evidence = [one for one in own if one.hour <= basis.detected]
    bad = sum(one.bad for one in evidence) - basis.seen.bad
    if bad < 0 or basis.seen == NOTHING:  # guarantee: evidence-that-went-ends-an-episode
        found = next(_episodes(basis.older, basis.normal, own, basis.threshold, prior), None)
        return found if found is not None and found.start <= noted.last else None
    run = _Run(noted.start, basis.older, basis.normal, prior)
    run.bad, run.reviews = basis.seen
    late = max(bad, sum(one.reviews for one in evidence) - basis.seen.reviews)
    episode = _Found(run, basis)
    for one in [Hour(basis.detected, bad, late), *own[len(evidence) :]]:
        episode.add(one)
        if episode.is_over:
            break
    return episode.episode()


def _episodes(
    older: Share, normal: Share, hours: Sequence[Hour], threshold: int, prior: Prior, closed: Noted | None = None
) -> Iterator[Episode]:
    """Yield each one, the newest last. ``normal``: reviews before these hours; more are added, outside of episodes and
    of the present run.
    """
    run: _Run | None = None
    found: _Found | None = None
    for one in hours:
        if closed is not None and one.hour >= closed.start:
            run = found = None
            if one.hour <= closed.last:  # guarantee: closed-episode-is-not-found-again
                continue
            closed = None
        if found is not None:
            found.add(one)
            if found.is_over:
                yield found.episode()
                found = None
            continue
        if run is None:
            if not one.bad:
                normal = Share(normal.bad, normal.reviews + one.reviews)
                continue
            run = _Run(one.hour, older, normal, prior)
        run.add(one)
        if run.ratio <= 1.0:
            normal = Share(normal.bad + run.bad, normal.reviews + run.reviews)
            run = None
        elif run.is_enough(threshold):
            seen = Share(run.bad, run.reviews)
            found, run = _Found(run, Basis(one.hour, seen, threshold, older, normal)), None
    if found is not None:
        yield found.episode()


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
        self._worse = [with_odds(odds, bad, good) for odds in ODDS]
        self._ratios = [1.0 / len(ODDS)] * len(ODDS)
        self.ratio = 1.0

    def add(self, one: Hour) -> None:
        """Weigh this hour too."""
        bad, good = self.bad, self.reviews - self.bad
        as_before = (self._as_before[0] + bad, self._as_before[1] + good)
        self._ratios = [
            ratio * likelihood_ratio((worse[0] + bad, worse[1] + good), as_before, one.bad, one.reviews - one.bad)
            for ratio, worse in zip(self._ratios, self._worse, strict=True)
        ]
        self.ratio = sum(self._ratios)
        self.bad += one.bad
        self.reviews += one.reviews

    def is_enough(self, threshold: int) -> bool:
        """Is it a spike? ``threshold``: reviews a month for each false alarm that is accepted a month; a healthy
        product begins about as many runs as it has bad ones of them.
        """
        return self.bad >= LEAST_BAD and self.ratio >= RUN_COST * threshold * self.share


class _Found:
    """An episode, and the evidence that it is over."""

    def __init__(self, run: _Run, basis: Basis) -> None:
        self._run, self._basis, self._last = run, basis, basis.detected
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
        run, basis = self._run, self._basis
        return Episode(run.start, basis.detected, self._last, self.is_over, window, run.before, basis)


def _power_of_two(number: int) -> int:
    """The next one: a threshold that moved with each review would take back what it had found."""
    return 1 << (number - 1).bit_length()
