"""When a product alarms, by its state alone, and what its alert says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import NamedTuple, cast, get_args

from stream_app.records import (
    EnrichedReview,
    ProductRule,
    value,
)
from stream_app.steps import hazard_clusters, spikes
from stream_app.steps.aspect_spikes import explaining_aspect, newest_aspect_episodes
from stream_app.steps.aspects import known_ids
from stream_app.steps.episodes import Circumstances, Mark, Outcome, judged
from stream_app.steps.fold import HOUR_MS, ProductState, oldest_day_kept
from stream_app.steps.hazards import speaks_of_hazard
from stream_app.steps.spikes import Episode

RULES: tuple[ProductRule, ...] = get_args(ProductRule)
ASPECTS_PART = 2 / 9
"""All aspects together are accepted as many false alarms as this part of those of one rule: 0.1 of 1 where each of the
two rules has 0.45."""

SUPPRESSED: frozenset[Outcome] = frozenset({"too_old", "covered", "rebuilt"})
"""Why an episode does not alarm."""

SPIKES: tuple[ProductRule, ProductRule] = ("negative_spike", "rating_drop")
BAD_STARS = 2


@value
class Policy:
    """``accepted``: false alarms of one rule a month. ``max_age_ms``: what is older raises nothing."""

    accepted: float
    max_age_ms: int
    is_rebuild: bool = False


class Finding(NamedTuple):
    """What is to be told of a rule, or why it is not. ``episode``: it may be gone where it is over. ``aspect``: whose
    episode it is; None: the product's.
    """

    rule: ProductRule
    outcome: Outcome
    episode: Episode | None
    mark: Mark | None
    aspect: str | None = None


Marks = Mapping[str, Mark]
"""Of the episodes of a product that go on, by name: the rule, and of an aspect ``negative_spike:<aspect>``."""


@cache
def episode_names() -> tuple[str, ...]:
    """All that a product may have episodes of."""
    return (*RULES, *(name_of("negative_spike", aspect) for aspect in sorted(known_ids())))


def name_of(rule: ProductRule, aspect: str | None) -> str:
    """Of an episode; alert ids begin with it."""
    return f"{rule}:{aspect}" if aspect else rule


def _of_name(name: str) -> tuple[ProductRule, str | None]:
    rule, _, aspect = name.partition(":")
    return cast(ProductRule, rule), aspect or None


def may_change(review: EnrichedReview) -> bool:
    """May applying this review begin an episode? Good new ones cannot."""
    sentiment = review.sentiment
    is_bad = (review.rating or BAD_STARS + 1) <= BAD_STARS or (sentiment is not None and sentiment.label == "negative")
    criticizes = any(one.label == "negative" and one.aspects for one in review.opinions or ())
    return is_bad or criticizes or review.kind != "created" or review.revision > 0 or speaks_of_hazard(review)


def verdict(
    state: ProductState, marks: Marks, polled: Collection[int], policy: Policy, now_ms: int
) -> tuple[Marks, list[Finding]]:
    """The marks that the view is to hold, and what is to be told.

    ``polled``: the hours (since 1970, UTC) of the reviews that were applied just now.

    One alert of a product for what is one trouble: of ``negative_spike`` and ``rating_drop`` the second is covered;
    both cover the spikes of aspects, which they name, and a told one of an aspect covers them where it explains them.
    """
    if state.newest_ms is None:
        return {}, []
    after: dict[str, Mark] = {}
    findings = []
    found = _found(state, policy.accepted)
    names = [*RULES, *sorted({*found, *marks} - {*RULES})]
    # guarantee: told-rule-covers-the-other
    for name in sorted(names, key=lambda one: not _is_told(marks.get(one))):
        (rule, aspect), episode = _of_name(name), found.get(name)
        now = Circumstances(
            oldest_hour=24 * oldest_day_kept(state.newest_ms),
            is_fresh=episode is not None and now_ms - (episode.last + 1) * HOUR_MS <= policy.max_age_ms,
            is_news=episode is not None and any(episode.start <= hour <= episode.detected for hour in polled),
            is_covered=rule in SPIKES and _is_covered(aspect, episode, state, after),
            is_rebuild=policy.is_rebuild,
        )
        mark, outcome = judged(marks.get(name), episode, now)
        if mark is not None:
            after[name] = mark
        if outcome is not None:
            findings.append(Finding(rule, outcome, episode, mark or marks.get(name), aspect))
    return after, findings


def _is_covered(aspect: str | None, episode: Episode | None, state: ProductState, after: Marks) -> bool:
    """Did another alert tell of the same trouble? ``aspect``: whose episode it is; None: the product's."""
    if any(_is_told(after.get(other)) for other in SPIKES):  # guarantee: aspect-of-a-spike-does-not-alarm-too
        return True
    told = [name for name, mark in after.items() if name not in RULES and _is_told(mark)]
    if aspect or episode is None or not told:
        return False
    explained = explaining_aspect(state, episode)
    return explained is not None and name_of("negative_spike", explained[0]) in told


def _is_told(mark: Mark | None) -> bool:
    return mark is not None and mark.told == "told"


def _found(state: ProductState, accepted: float) -> dict[str, Episode]:
    """The newest episode of each name that has one."""
    newest_hour = (state.newest_ms or 0) // HOUR_MS
    found: dict[str, Episode | None] = {
        "negative_spike": spikes.newest_episode(*spikes.negative_hours(state), accepted),
        "rating_drop": spikes.newest_episode(*spikes.low_star_hours(state), accepted),
        "safety_cluster": hazard_clusters.newest_cluster(state.hazards.values(), newest_hour),
    }
    of_aspects = newest_aspect_episodes(state, ASPECTS_PART * accepted)
    found |= {name_of("negative_spike", aspect): episode for aspect, episode in of_aspects.items()}
    return {name: episode for name, episode in found.items() if episode is not None}
