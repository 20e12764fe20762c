"""Finds the days in which an aspect of a product turned bad, and the aspect that explains what the product has.

The detector of steps/spikes.py over days: the state has no hours of aspects. A review is bad here if it criticizes the
aspect, whatever else it says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from stream_app.steps.aspects import added_ids
from stream_app.steps.beta_binomial import Prior
from stream_app.steps.chance import p_value_of_shares
from stream_app.steps.fold import ProductState
from stream_app.steps.spikes import LEAST_BAD, Episode, Hour, Share

PRIOR: Prior = (0.6, 20.4)
"""Of the share of reviews that criticize one aspect, of a product of which nothing is known: 3 % on average, and as
uncertain as after 21 reviews. Not fitted."""

_DAY_HOURS = 24
_NEGATIVE = 1
_CHANCE = 0.01
_NONE = Share(0, 0)
_NO_TALLY = (0, 0, 0)


def criticized_aspects(state: ProductState) -> list[str]:
    """Those that may have a spike."""
    return [aspect for aspect, criticized in _criticized(state).items() if criticized >= LEAST_BAD]


def accepted_of_each(state: ProductState, accepted: float) -> float:
    """``accepted``: false alarms a month, of all aspects together."""
    return accepted / max(1, len(state.aspects))  # guarantee: aspects-share-the-false-alarms


def in_hours(state: ProductState, episode: Episode | None) -> Episode | None:
    """What was found by days: to its newest hour with reviews, and as if any hour of its day had sufficed."""
    if episode is None:
        return None
    of_its_day = (hour for hour in state.buckets if hour // _DAY_HOURS == episode.last // _DAY_HOURS)
    last = max(of_its_day, default=episode.last)
    return replace(episode, detected=episode.detected + _DAY_HOURS - 1, last=last)


def days_of_aspects(state: ProductState, aspects: Collection[str]) -> dict[str, tuple[Share, list[Hour]]]:
    """See ``aspect_days``."""
    reviews = _reviews_of_days(state) if aspects else {}
    return {aspect: _aspect_days(state, aspect, reviews) for aspect in aspects}


def aspect_days(state: ProductState, aspect: str) -> tuple[Share, list[Hour]]:
    """(what lies before the kept days, the kept days in order, by their first hour): reviews that criticize it.

    Of the reviews with a sentiment. What was applied before the view counted aspects is left out, else their share
    would have been 0: the days before the first with an aspect, and what is older where it has none. For an aspect that
    the shop added: before the first that mentions it.
    """
    return _aspect_days(state, aspect, _reviews_of_days(state))


def explaining_aspect(state: ProductState, episode: Episode) -> tuple[str, Share, Share] | None:
    """(the aspect that at least half of the bad reviews of the episode criticize, and more often than before; how many
    of its reviews do, how many before). None: there is none. By whole days.
    """
    best, reviews = None, _reviews_of_days(state)
    first, last = (hour // _DAY_HOURS * _DAY_HOURS for hour in (episode.start, episode.last))
    for aspect, criticized in _criticized(state).items():
        if 2 * criticized < episode.window.bad:
            continue
        older, days = _aspect_days(state, aspect, reviews)
        window = _sum([one for one in days if first <= one.hour <= last])
        before = _sum([one for one in days if one.hour < first], older)
        is_most = 2 * window.bad >= episode.window.bad
        if is_most and _is_more(window, before) and (best is None or window.bad > best[1].bad):
            best = aspect, window, before
    return best


def _aspect_days(state: ProductState, aspect: str, reviews: dict[int, int]) -> tuple[Share, list[Hour]]:
    counted = state.aspects if aspect not in added_ids() else {aspect: state.aspects.get(aspect, _NO_TALLY)}
    first = min((day for day, tallies in state.aspect_days.items() if counted.keys() & tallies.keys()), default=0)
    days = []
    for day, count in reviews.items():
        if day >= first:
            bad = state.aspect_days.get(day, {}).get(aspect, _NO_TALLY)[_NEGATIVE]
            days.append(Hour(day * _DAY_HOURS, bad, max(count, bad)))
    kept_mentions = sum(
        tally[0] for tallies in state.aspect_days.values() for name, tally in tallies.items() if name in counted
    )
    if kept_mentions >= sum(tally[0] for tally in counted.values()):
        return _NONE, days
    bad = state.aspects.get(aspect, _NO_TALLY)[_NEGATIVE] - sum(one.bad for one in days)
    return Share(bad, max(bad, sum(state.totals[:3]) - sum(reviews.values()))), days


def _reviews_of_days(state: ProductState) -> dict[int, int]:
    """How many reviews with a sentiment each kept day has that has any, in order."""
    counted: dict[int, int] = {}
    for hour, tally in sorted(state.buckets.items()):
        count = tally[0] + tally[1] + tally[2]
        if count:
            counted[hour // _DAY_HOURS] = counted.get(hour // _DAY_HOURS, 0) + count
    return counted


def _is_more(window: Share, before: Share) -> bool:
    """Is its share larger than before, by more than chance? ``PRIOR`` stands for what is not known."""
    bad, reviews = before.bad + round(PRIOR[0]), before.reviews + round(sum(PRIOR))
    is_larger = window.bad * reviews > bad * window.reviews
    return is_larger and p_value_of_shares(window.bad, window.reviews, bad, reviews) < _CHANCE


def _sum(days: list[Hour], more: Share = _NONE) -> Share:
    return Share(more.bad + sum(one.bad for one in days), more.reviews + sum(one.reviews for one in days))


def _criticized(state: ProductState) -> dict[str, int]:
    """How many reviews of the kept days criticize each aspect; in order of the ids."""
    counted: dict[str, int] = {}
    for tallies in state.aspect_days.values():
        for aspect, tally in tallies.items():
            counted[aspect] = counted.get(aspect, 0) + tally[_NEGATIVE]
    return dict(sorted(counted.items()))
