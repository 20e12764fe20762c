"""Simulates reviews of products, healthy ones and ones that turn bad, as the tallies that the spike detector reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_app.steps import spikes
from stream_app.steps.aspect_spikes import PRIOR as ASPECT_PRIOR
from stream_app.steps.beta_binomial import Prior
from stream_app.steps.spikes import PRIOR, Episode, Hour, Noted, Share

HOURS_A_DAY = 24
MONTH_HOURS = 30 * HOURS_A_DAY
_WARM_UP_DAYS = 32  # kept days before the year that is counted
_YEAR_DAYS = 365
_SCREEN_MARGIN = 3.0


@dataclass(frozen=True)
class Reviews:
    """Reviews of products one after the other, each product's in order: ``of[i] : of[i + 1]`` are product i's.

    ``older``: what each product had before, [products, 2]: bad, reviews.
    """

    of: NDArray[np.int64]
    hour: NDArray[np.int64]
    bad: NDArray[np.bool_]
    older: NDArray[np.int64]

    def state(self, product: int, last: int) -> tuple[Share, list[Hour]]:
        """What the product's state has after review ``last``: what lies before the kept days, and their hours."""
        begin = int(self.of[product])
        hours = self.hour[begin : last + 1]
        cut = begin + int(np.searchsorted(hours, _kept_from(int(self.hour[last]))))
        bad = self.bad[begin : last + 1]
        older_bad, older = self.older[product]
        kept, first = np.unique(hours[cut - begin :], return_index=True)
        tallies = np.add.reduceat(bad[cut - begin :].astype(int), first)
        counts = np.diff(np.append(first, last + 1 - cut))
        gone = Share(int(older_bad + bad[: cut - begin].sum()), int(older + cut - begin))
        return gone, [Hour(*one) for one in zip(kept.tolist(), tallies.tolist(), counts.tolist(), strict=True)]


def _kept_from(hour: int) -> int:
    return (hour // HOURS_A_DAY - spikes.KEPT_DAYS) * HOURS_A_DAY


def season(days: int) -> NDArray[np.float64]:
    """How busy each hour of these days is, on average 1: evenings, weekends, and twice as busy before Christmas."""
    hour = np.arange(days * HOURS_A_DAY)
    of_day = 1 + 0.8 * np.sin((hour % HOURS_A_DAY - 12) * np.pi / 12)
    of_week = np.where(hour // HOURS_A_DAY % 7 >= 5, 1.4, 0.84)
    day_of_year = hour // HOURS_A_DAY % _YEAR_DAYS
    of_year = 1 + np.exp(-(((day_of_year - 340) / 20) ** 2))
    busy = of_day * of_week * of_year
    return busy / busy.mean()


def healthy_year(products: int, seed: int) -> tuple[Reviews, Reviews, float]:
    """(their sentiments, their stars, product-months counted): 1 to 500 reviews a month, evenly on a log scale.

    Each product has a share of low stars of its own, drawn from the prior; three of four were on sale before the year,
    for up to two years. The sentiments are what a classifier makes of them: negative for 85 % of low stars, 5 % of
    others.
    """
    random = np.random.default_rng(seed)
    monthly = np.exp(random.uniform(0, np.log(500), products))
    share = random.beta(*PRIOR, products)
    of, owner, hour, months_before, months = _volume(monthly, random)
    low = random.random(of[-1]) < share[owner]
    negative = random.random(of[-1]) < np.where(low, 0.85, 0.05)
    older = random.poisson(monthly * months_before)
    older_low = random.binomial(older, share)
    older_negative = random.binomial(older_low, 0.85) + random.binomial(older - older_low, 0.05)
    stars = Reviews(of, hour, low, np.stack([older_low, older], axis=1))
    return Reviews(of, hour, negative, np.stack([older_negative, older], axis=1)), stars, months


def healthy_aspects(aspects: int, seed: int) -> tuple[Reviews, float]:
    """(which reviews criticize it, aspect-months counted): one aspect each of so many products, by days.

    The share that does is drawn from the prior of aspects.
    """
    random = np.random.default_rng(seed)
    monthly = np.exp(random.uniform(0, np.log(500), aspects))
    share = random.beta(*ASPECT_PRIOR, aspects)
    of, owner, hour, months_before, months = _volume(monthly, random)
    older = random.poisson(monthly * months_before)
    bad = random.random(of[-1]) < share[owner]
    day = hour // HOURS_A_DAY * HOURS_A_DAY
    return Reviews(of, day, bad, np.stack([random.binomial(older, share), older], axis=1)), months


def _volume(
    monthly: NDArray[np.float64], random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], float]:
    """(``of``, the product and the hour of each review, months on sale before the year, product-months)."""
    products = len(monthly)
    busy = season(_WARM_UP_DAYS + _YEAR_DAYS)
    months_before = np.maximum(random.uniform(-8, 24, products), 0.0)
    launched = np.where(months_before > 0, 0, (random.uniform(0, 1, products) * len(busy)).astype(int))
    cumulated = np.cumsum(busy)
    left = cumulated[-1] - cumulated[launched]
    counts = random.poisson(monthly / MONTH_HOURS * left)
    of = np.concatenate([[0], np.cumsum(counts)])
    owner = np.repeat(np.arange(products), counts)
    at = cumulated[launched][owner] + random.uniform(0, 1, of[-1]) * left[owner]
    hour = np.minimum(np.searchsorted(cumulated, at), len(busy) - 1)
    hour = hour[np.lexsort((hour, owner))]
    year = (_YEAR_DAYS + _WARM_UP_DAYS) * HOURS_A_DAY - np.maximum(launched, 0)
    return of, owner, hour, months_before, float(year.sum() / MONTH_HOURS)


def steady(products: int, reviews: int, monthly: float, share: float, older: int, seed: int) -> Reviews:
    """Products with the same share and volume, each with so many reviews, and ``older`` ones before them."""
    random = np.random.default_rng(seed)
    of = np.arange(products + 1) * reviews
    gaps = random.exponential(MONTH_HOURS / monthly, (products, reviews))
    hour = np.cumsum(gaps, axis=1).astype(np.int64).ravel()
    before = np.stack([random.binomial(older, share, products), np.full(products, older)], axis=1)
    return Reviews(of, hour, random.random(len(hour)) < share, before)


def alarms(
    reviews: Reviews, accepted: float, *, screened: bool = True, prior: Prior = PRIOR
) -> Iterator[tuple[int, int, Episode]]:
    """Yield (product, index of the review that raised it, the episode) of each alarm.

    The product's own function decides, after each review that may raise one: that is bad and, where ``screened``, at
    which the same test by review, computed for all products at once, is within a factor of e^3 of its threshold.
    ``prior``: of the share of bad reviews; another one is not for ``screened``.
    """
    may_raise = _screened(reviews, accepted) if screened else np.flatnonzero(reviews.bad)
    owners = np.searchsorted(reviews.of, may_raise, side="right") - 1
    quiet_until = -1
    closed: dict[int, Noted] = {}
    for product, index in zip(owners.tolist(), may_raise.tolist(), strict=True):
        if index <= quiet_until:
            continue
        episode = spikes.newest_episode(*reviews.state(product, index), accepted, prior, closed.get(product))
        if episode is None or episode.is_over:
            continue
        yield product, index, episode
        quiet_until, closed[product] = _end_of(reviews, product, index, episode, accepted, prior)


def _end_of(
    reviews: Reviews, product: int, index: int, episode: Episode, accepted: float, prior: Prior
) -> tuple[int, Noted]:
    """(the review with which the alarm ends, its episode)."""
    last = int(reviews.of[product + 1])
    noted = Noted(episode.start, episode.last, episode.basis)
    for later in range(index + 1, last):
        if noted.start < _kept_from(int(reviews.hour[later])):
            noted = noted._replace(basis=None)
        now = spikes.noted_episode(noted, *reviews.state(product, later), accepted, prior)
        if now is None:
            return later, noted
        noted = Noted(now.start, now.last, now.basis)
        if now.is_over:
            return later, noted
    return last, noted


def _screened(reviews: Reviews, accepted: float) -> NDArray[np.int64]:
    """Indices of reviews, in order, at which an alarm is near."""
    of, hour, bad = reviews.of, reviews.hour, reviews.bad
    owner = np.repeat(np.arange(len(of) - 1), np.diff(of))
    begin = of[owner]
    step = int(hour.max()) + 1
    kept_from = (hour // HOURS_A_DAY - spikes.KEPT_DAYS) * HOURS_A_DAY
    cut = np.searchsorted(owner * step + hour, owner * step + np.maximum(kept_from, 0))
    summed = np.concatenate([[0], np.cumsum(bad)])
    here = np.arange(len(hour))
    older_bad = reviews.older[owner, 0] + summed[cut] - summed[begin]
    older = reviews.older[owner, 1] + cut - begin
    weight = np.minimum(1.0, spikes.MAX_OLDER / np.maximum(older, 1))
    a = PRIOR[0] + weight * older_bad + summed[here] - summed[cut]
    b = PRIOR[1] + weight * older + (here - cut) + PRIOR[0] - a
    monthly = np.exp2(np.ceil(np.log2(np.maximum(here + 1 - cut, spikes.LEAST_A_MONTH))))
    threshold = np.log(spikes.RUN_COST * monthly / accepted) - _SCREEN_MARGIN
    order = np.argsort(-np.diff(of), kind="stable")
    length = np.diff(of)[order]
    first = of[:-1][order]
    runs = len(order)
    x, n, start = np.zeros(runs), np.zeros(runs), np.zeros(runs, np.int64)
    ratios = np.zeros((len(spikes.ODDS), runs))
    near = []
    active = runs
    for i in range(int(length[0]) if runs else 0):
        while length[active - 1] <= i:
            active -= 1
        now = first[:active] + i
        is_bad = bad[now]
        new = (n[:active] == 0) & is_bad
        start[:active][new] = now[new]
        ratios[:, :active][:, new] = -np.log(len(spikes.ODDS))
        going = np.flatnonzero(new | (n[:active] > 0))
        ab, bb, xs, ns, isb = a[start[going]], b[start[going]], x[going], n[going], is_bad[going]
        own = np.where(isb, ab + xs, bb + ns - xs) / (ab + bb + ns)
        for k, odds in enumerate(spikes.ODDS):
            more = (odds * ab + bb) / (ab + bb)
            wa, wb = ab * more, bb * more / odds
            ratios[k, going] += np.log(np.where(isb, wa + xs, wb + ns - xs) / (wa + wb + ns) / own)
        x[going] += isb
        n[going] += 1
        evidence = np.logaddexp.reduce(ratios[:, going], axis=0)
        there = threshold[now[going]] + np.log(ab / (ab + bb))
        near.append(now[going[(evidence >= there) & isb & (x[going] >= spikes.LEAST_BAD)]])
        over = going[evidence <= 0]
        x[over] = n[over] = 0
    return np.sort(np.concatenate(near)) if near else np.zeros(0, np.int64)
