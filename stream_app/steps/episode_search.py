"""Looks in a product's state for what became of an episode that was noted, and for a newer one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from stream_app.records import ProductRule
from stream_app.steps.aspect_spikes import PRIOR as PRIOR_OF_ASPECTS
from stream_app.steps.aspect_spikes import accepted_of_each, criticized_aspects, days_of_aspects, in_hours
from stream_app.steps.beta_binomial import Prior
from stream_app.steps.episodes import Mark, is_open
from stream_app.steps.fold import HOUR_MS, ProductState, oldest_day_kept
from stream_app.steps.hazard_clusters import newest_cluster
from stream_app.steps.rated_hours import low_star_hours, negative_hours
from stream_app.steps.spikes import PRIOR, Episode, Hour, Noted, Share, newest_episode, noted_episode

ASPECTS_PART = 2 / 9
"""All aspects together are accepted as many false alarms as this part of those of one rule: 0.1 of 1 where each of the
two rules has 0.45."""


class Search(NamedTuple):
    """``noted``: the mark's episode, if that was open; None: its evidence is gone. ``newest``: the newest one that is
    none of the mark's; None: there is none, or the noted one goes on.
    """

    noted: Episode | None
    newest: Episode | None

    @property
    def going_on(self) -> Episode | None:
        """The one that may alarm."""
        return next((one for one in self if one is not None and not one.is_over), None)


def name_of(rule: ProductRule, aspect: str | None) -> str:
    """Of an episode; alert ids begin with it."""
    return f"{rule}:{aspect}" if aspect else rule


def searched(state: ProductState, marks: Mapping[str, Mark], accepted: float) -> dict[str, Search]:
    """By name: the rules, and the aspects that have a mark or may have a spike. ``accepted``: false alarms of a rule a
    month.
    """
    oldest_hour = oldest_hour_kept(state)
    found = {
        "negative_spike": _spikes(marks.get("negative_spike"), *negative_hours(state), accepted, PRIOR, oldest_hour),
        "rating_drop": _spikes(marks.get("rating_drop"), *low_star_hours(state), accepted, PRIOR, oldest_hour),
        "safety_cluster": _clusters(
            marks.get("safety_cluster"), state.hazards.values(), (state.newest_ms or 0) // HOUR_MS
        ),
    }
    each = accepted_of_each(state, ASPECTS_PART * accepted)
    noted = {name.partition(":")[2] for name in marks if ":" in name}
    for aspect, days in days_of_aspects(state, sorted({*criticized_aspects(state), *noted})).items():
        name = name_of("negative_spike", aspect)
        by_days = _spikes(marks.get(name), *days, each, PRIOR_OF_ASPECTS, oldest_hour)
        found[name] = Search(*(in_hours(state, one) for one in by_days))
    return found


def oldest_hour_kept(state: ProductState) -> int:
    """The first hour (since 1970, UTC) that the state keeps."""
    return 24 * oldest_day_kept(state.newest_ms or 0)


def _spikes(
    mark: Mark | None, older: Share, hours: Sequence[Hour], accepted: float, prior: Prior, oldest_hour: int
) -> Search:
    if mark is None:
        return Search(None, newest_episode(older, hours, accepted, prior))
    noted, closed = None, Noted(mark.start, mark.last)
    if is_open(mark):
        # where its beginning was dropped with its day, it is found again in what is left
        basis = mark.basis if mark.start >= oldest_hour else None
        noted = noted_episode(Noted(mark.start, mark.last, basis), older, hours, accepted, prior)
        if noted is not None and not noted.is_over:
            return Search(noted, None)
        if noted is not None:
            closed = Noted(mark.start, noted.last)
    return Search(noted, newest_episode(older, hours, accepted, prior, closed))


def _clusters(mark: Mark | None, hours: Collection[int], newest_hour: int) -> Search:
    """Of a mark that is over, hours are evidence still: a hazard is no less one because another was withdrawn."""
    newest = newest_cluster(hours, newest_hour)
    if mark is None:
        return Search(None, newest)
    if not is_open(mark):
        return Search(None, newest if newest is not None and newest.last > mark.last else None)
    noted = newest
    if newest is not None and newest.start > mark.last:
        noted = newest_cluster([hour for hour in hours if hour <= mark.last], newest_hour)
    if noted is not None and noted.last < mark.start:
        noted = None  # an older one
    return Search(noted, newest if newest is not None and newest.start > mark.last else None)
