"""When a product alarms, by its state alone, and what its alert says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple, cast, get_args

from stream_app.records import EnrichedReview, ProductRule, value
from stream_app.steps.aspect_spikes import explaining_aspect
from stream_app.steps.aspects import known_ids
from stream_app.steps.episode_search import name_of, oldest_hour_kept, searched
from stream_app.steps.episodes import Circumstances, Mark, Outcome, judged
from stream_app.steps.fold import HOUR_MS, ProductState
from stream_app.steps.hazards import speaks_of_hazard
from stream_app.steps.spikes import Episode

RULES: tuple[ProductRule, ...] = get_args(ProductRule)
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
    """What is to be reported of a rule, or why it is not. ``episode``: None where its evidence is gone. ``aspect``:
    whose episode it is; None: the product's.
    """

    rule: ProductRule
    outcome: Outcome
    episode: Episode | None
    mark: Mark
    aspect: str | None = None


Marks = Mapping[str, Mark]
"""Of the newest episodes of a product, by name: the rule, and of an aspect ``negative_spike:<aspect>``."""


def episode_names() -> tuple[str, ...]:
    """All that a product may have episodes of."""
    return _episode_names(known_ids())


@lru_cache(maxsize=4)
def _episode_names(aspects: frozenset[str]) -> tuple[str, ...]:
    return (*RULES, *(name_of("negative_spike", aspect) for aspect in sorted(aspects)))


def _of_name(name: str) -> tuple[ProductRule, str | None]:
    rule, _, aspect = name.partition(":")
    return cast(ProductRule, rule), aspect or None


def may_change(review: EnrichedReview) -> bool:
    """May applying this review begin an episode? A good one cannot, unless it is older than the product's newest."""
    sentiment = review.sentiment
    is_bad = (review.rating or BAD_STARS + 1) <= BAD_STARS or (sentiment is not None and sentiment.label == "negative")
    criticizes = any(one.label == "negative" and one.aspects for one in review.opinions or ())
    return is_bad or criticizes or review.kind != "created" or review.revision > 0 or speaks_of_hazard(review)


def verdict(
    state: ProductState, marks: Marks, polled: Collection[int], policy: Policy, now_ms: int
) -> tuple[Marks, list[Finding]]:
    """The marks that the view is to hold, and what is to be reported.

    ``polled``: the hours (since 1970, UTC) of the reviews that were applied just now.

    An aspect that the state counts and no file names any more has no episodes: nobody would read its mark.

    One alert of a product for what is one trouble: of ``negative_spike`` and ``rating_drop`` the second is covered;
    both cover the spikes of aspects, which they name, and a raised one of an aspect covers them where it explains them.
    """
    if state.newest_ms is None:
        return {}, []
    after: dict[str, Mark] = {}
    findings = []
    found = searched(state, marks, policy.accepted)
    names = [*RULES, *sorted(({*found} - {*RULES}) & {*episode_names()})]
    # guarantee: raised-rule-covers-the-other
    for name in sorted(names, key=lambda one: not _is_raised(marks.get(one))):
        (rule, aspect), (noted, newest) = _of_name(name), found[name]
        episode = found[name].going_on
        now = Circumstances(
            oldest_hour=oldest_hour_kept(state),
            is_fresh=episode is not None and now_ms - (episode.last + 1) * HOUR_MS <= policy.max_age_ms,
            is_news=episode is not None and any(episode.start <= hour <= episode.detected for hour in polled),
            is_covered=rule in SPIKES and _is_covered(aspect, episode, state, after),
            is_rebuild=policy.is_rebuild,
        )
        mark, changes = judged(marks.get(name), noted, newest, now)
        if mark is not None:
            after[name] = mark
        findings += [Finding(rule, one.outcome, one.episode, one.mark, aspect) for one in changes]
    return after, findings


def _is_covered(aspect: str | None, episode: Episode | None, state: ProductState, after: Marks) -> bool:
    """Did another alert report the same trouble? ``aspect``: whose episode it is; None: the product's."""
    if any(_is_raised(after.get(other)) for other in SPIKES):  # guarantee: aspect-of-a-spike-does-not-alarm-too
        return True
    raised = [name for name, mark in after.items() if name not in RULES and _is_raised(mark)]
    if aspect or episode is None or not raised:
        return False
    explained = explaining_aspect(state, episode)
    return explained is not None and name_of("negative_spike", explained[0]) in raised


def _is_raised(mark: Mark | None) -> bool:
    return mark is not None and mark.state == "raised"
