"""When a product alarms, by its state alone, and what its alert says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, get_args

from stream_app.records import (
    Alert,
    AlertQuote,
    BadShare,
    EnrichedReview,
    Evidence,
    ProductRule,
    Reason,
    Severity,
    percent_encoded,
    value,
)
from stream_app.steps import hazard_clusters, spikes
from stream_app.steps.episodes import Circumstances, Mark, Outcome, judged
from stream_app.steps.fold import HOUR_MS, ProductState, oldest_day_kept
from stream_app.steps.hazards import speaks_of_hazard
from stream_app.steps.spikes import Episode, Share

RULES: tuple[ProductRule, ...] = get_args(ProductRule)
SUPPRESSED: frozenset[Outcome] = frozenset({"too_old", "covered", "rebuilt"})
"""Why an episode does not alarm."""

MAX_QUOTES = 3
_SPIKES: tuple[ProductRule, ProductRule] = ("negative_spike", "rating_drop")
_MAX_QUOTED_CHARACTERS = 200
_BAD_STARS = 2
_REASONS: dict[ProductRule, Reason] = {"negative_spike": "sentiment", "rating_drop": "stars", "safety_cluster": "terms"}
_SAID: dict[ProductRule, str] = {
    "negative_spike": "negative",
    "rating_drop": "of one or two stars",
    "safety_cluster": "about a hazard",
}


@value
class Policy:
    """``accepted``: false alarms of one rule a month. ``max_age_ms``: what is older raises nothing."""

    accepted: float
    max_age_ms: int
    is_rebuild: bool = False


class Finding(NamedTuple):
    """What is to be told of a rule, or why it is not. ``episode``: it may be gone where it is over."""

    rule: ProductRule
    outcome: Outcome
    episode: Episode | None
    mark: Mark | None


Marks = Mapping[ProductRule, Mark]
"""Of the episodes of a product that go on."""


def may_change(review: EnrichedReview) -> bool:
    """May applying this review begin an episode? Good new ones cannot."""
    sentiment = review.sentiment
    is_bad = (review.rating or _BAD_STARS + 1) <= _BAD_STARS or (
        sentiment is not None and sentiment.label == "negative"
    )
    return is_bad or review.kind != "created" or review.revision > 0 or speaks_of_hazard(review)


def verdict(
    state: ProductState, marks: Marks, polled: Collection[int], policy: Policy, now_ms: int
) -> tuple[Marks, list[Finding]]:
    """The marks that the view is to hold, and what is to be told.

    ``polled``: the hours (since 1970, UTC) of the reviews that were applied just now.

    One alert of a product for what is one trouble: of ``negative_spike`` and ``rating_drop`` the second is covered.
    """
    if state.newest_ms is None:
        return {}, []
    after: dict[ProductRule, Mark] = {}
    findings = []
    # guarantee: told-rule-covers-the-other
    for rule in sorted(RULES, key=lambda one: not _is_told(marks.get(one))):
        episode = _found(rule, state, policy.accepted)
        now = Circumstances(
            oldest_hour=24 * oldest_day_kept(state.newest_ms),
            is_fresh=episode is not None and now_ms - (episode.last + 1) * HOUR_MS <= policy.max_age_ms,
            is_news=episode is not None and any(episode.start <= hour <= episode.detected for hour in polled),
            is_covered=rule in _SPIKES and any(_is_told(after.get(other)) for other in _SPIKES),
            is_rebuild=policy.is_rebuild,
        )
        mark, outcome = judged(marks.get(rule), episode, now)
        if mark is not None:
            after[rule] = mark
        if outcome is not None:
            findings.append(Finding(rule, outcome, episode, mark or marks.get(rule)))
    return after, findings


def _is_told(mark: Mark | None) -> bool:
    return mark is not None and mark.told == "told"


def _found(rule: ProductRule, state: ProductState, accepted: float) -> Episode | None:
    if rule == "safety_cluster":
        newest_hour = (state.newest_ms or 0) // HOUR_MS
        return hazard_clusters.newest_cluster(state.hazards.values(), newest_hour)
    counted = spikes.negative_hours if rule == "negative_spike" else spikes.low_star_hours
    return spikes.newest_episode(*counted(state), accepted)


def alert_of(finding: Finding, state: ProductState, evidence: Iterable[Evidence], now_ms: int) -> Alert | None:
    """The alert of what is to be told; None where nothing is. ``evidence``: the sentences held of the product."""
    rule, outcome, episode, mark = finding
    if mark is None or outcome not in ("raised", "ended", "withdrawn"):
        return None
    if rule == "safety_cluster" and outcome == "ended":
        return None  # that none came for two weeks does not say that the hazard is gone
    is_raised = outcome == "raised"
    window = _window(episode) if episode else None
    baseline = (
        BadShare(episode.before.reviews, episode.before.bad, None, window.begins_ms) if episode and window else None
    )
    product, begun = percent_encoded(state.product_id), _hour_name(mark.begun)
    severity: Severity = "info" if not is_raised else "critical" if rule == "safety_cluster" else "warning"
    return Alert(
        alert_id=f"{rule}|{product}|{begun}" if is_raised else f"recovered|{product}|{rule}|{begun}",
        rule=rule if is_raised else "recovered",
        severity=severity,
        product_id=state.product_id,
        created_at_ms=state.newest_ms or 0,
        raised_at_ms=now_ms,
        sentence=_in_words(rule, outcome, episode),
        reason=_REASONS[rule] if is_raised else "ended" if outcome == "ended" else "withdrawn",
        window=window,
        baseline=baseline if rule in _SPIKES else None,
        quotes=_quotes(rule, episode, state, evidence) if episode and is_raised else (),
        recovered_from=None if is_raised else rule,
    )


def _window(episode: Episode) -> BadShare:
    return BadShare(
        reviews=episode.window.reviews,
        bad=episode.window.bad,
        begins_ms=episode.start * HOUR_MS,
        ends_ms=(episode.last + 1) * HOUR_MS,
    )


def _in_words(rule: ProductRule, outcome: Outcome, episode: Episode | None) -> str:
    """What was counted; no word of a review is in it."""
    if episode is None:
        return "What raised the alert holds no more: its reviews were edited or deleted, or others came late."
    since = datetime.fromtimestamp(episode.start * HOUR_MS / 1000, UTC)
    counted = f"{_of(episode.window)} since {since:%Y-%m-%d %H:%M} UTC {_verb(episode.window)} {_SAID[rule]}"
    before = f", {_of(episode.before)} before" if rule in _SPIKES else ""
    return f"{'Over: ' if outcome == 'ended' else ''}{counted}{before}."


def _of(share: Share) -> str:
    return f"{share.bad} of {share.reviews} reviews"


def _verb(share: Share) -> str:
    return "is" if share.bad == 1 else "are"


def _quotes(
    rule: ProductRule, episode: Episode, state: ProductState, evidence: Iterable[Evidence]
) -> tuple[AlertQuote, ...]:
    """The worst ones of the window, of which a sentence is held; the newest first of equal ones."""
    bad = [
        one
        for one in evidence
        if episode.start <= one.created_at_ms // HOUR_MS <= episode.last and _is_bad(rule, one, state)
    ]
    worst = sorted(bad, key=lambda one: (-one.p_negative, one.rating or 0, -one.created_at_ms, one.review_id))
    return tuple(AlertQuote(one.review_id, one.revision, one.rating, quoted(one)) for one in worst[:MAX_QUOTES])


def _is_bad(rule: ProductRule, one: Evidence, state: ProductState) -> bool:
    if rule == "safety_cluster":
        return one.review_id in state.hazards
    if rule == "rating_drop":
        return one.rating is not None and one.rating <= _BAD_STARS
    return one.label == "negative"


def quoted(one: Evidence) -> str:
    """What an alert quotes of a review: a kept sentence that criticizes an aspect, else the first one, cut."""
    negative = next((m for m in one.mentions if m.label == "negative"), None)
    sentence = one.sentence[negative.start : negative.end] if negative else one.sentence.partition("\n")[0]
    return sentence if len(sentence) <= _MAX_QUOTED_CHARACTERS else f"{sentence[: _MAX_QUOTED_CHARACTERS - 1]}…"


def _hour_name(hour: int) -> str:
    """2026-05-01T12: of UTC."""
    return f"{datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC):%Y-%m-%dT%H}"
