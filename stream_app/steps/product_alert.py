"""What an alert about a product says: counts in words, the aspect that explains it, quotes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from stream_app.records import (
    RAISED_SEVERITIES,
    Alert,
    AlertQuote,
    BadShare,
    Evidence,
    ProductRule,
    Reason,
    Rule,
    percent_encoded,
)
from stream_app.steps.aspect_spikes import explaining_aspect
from stream_app.steps.episode_search import name_of
from stream_app.steps.episodes import Outcome
from stream_app.steps.fold import HOUR_MS, ProductState
from stream_app.steps.product_alerts import BAD_STARS, SPIKES, Finding
from stream_app.steps.spikes import Episode, Share

MAX_QUOTES = 3
_MAX_QUOTED_CHARACTERS = 200
_REASONS: dict[ProductRule, Reason] = {"negative_spike": "sentiment", "rating_drop": "stars", "safety_cluster": "terms"}
_SAID: dict[ProductRule, str] = {
    "negative_spike": "negative",
    "rating_drop": "of one or two stars",
    "safety_cluster": "about a hazard",
}


def alert_of(finding: Finding, state: ProductState, evidence: Iterable[Evidence], now_ms: int) -> Alert | None:
    """The alert of what is to be reported; None where nothing is. ``evidence``: the sentences held of the product."""
    rule, outcome, episode, mark, aspect = finding
    if outcome not in ("raised", "ended", "withdrawn"):
        return None
    if rule == "safety_cluster" and outcome == "ended":
        return None  # that none came for two weeks does not say that the hazard is gone
    is_raised = outcome == "raised"
    window = _window(episode) if episode else None
    baseline = (
        BadShare(episode.before.reviews, episode.before.bad, None, window.begins_ms) if episode and window else None
    )
    product, begun, name = percent_encoded(state.product_id), _hour_name(mark.begun), name_of(rule, aspect)
    explained = explaining_aspect(state, episode) if episode and is_raised and rule in SPIKES and not aspect else None
    return Alert(
        alert_id=f"{name}|{product}|{begun}" if is_raised else f"recovered|{product}|{name}|{begun}",
        rule=rule if is_raised else "recovered",
        severity=RAISED_SEVERITIES[rule] if is_raised else "info",
        product_id=state.product_id,
        created_at_ms=state.newest_ms or 0,
        raised_at_ms=now_ms,
        sentence=_in_words(rule, aspect, outcome, episode, mark.begun) + _named(explained),
        reason=_REASONS[rule] if is_raised else "ended" if outcome == "ended" else "withdrawn",
        window=window,
        baseline=baseline if rule in SPIKES else None,
        quotes=_quotes(rule, aspect, episode, state, evidence) if episode and is_raised else (),
        recovered_from=None if is_raised else rule,
        aspect=aspect or (explained[0] if explained else None),
    )


def _window(episode: Episode) -> BadShare:
    return BadShare(
        reviews=episode.window.reviews,
        bad=episode.window.bad,
        begins_ms=episode.start * HOUR_MS,
        ends_ms=(episode.last + 1) * HOUR_MS,
    )


def _in_words(rule: ProductRule, aspect: str | None, outcome: Outcome, episode: Episode | None, begun: int) -> str:
    """What was counted; no word of a review is in it. ``begun``: the hour since 1970 that names the alert."""
    if episode is None:
        what = f"{rule.replace('_', ' ')}{f' about {_in_english(aspect)}' if aspect else ''}"
        return f"The {what} of {_time(begun)} no longer holds: its reviews were edited or deleted, or others came late."
    since = f"since {_time(episode.start)}"
    if rule == "safety_cluster":  # its window counts these alone
        return f"{episode.window.bad} reviews {since} are {_SAID[rule]}."
    said = f"{_verb(episode.window)} {_SAID[rule]}"
    if aspect:
        said = f"{'criticizes' if episode.window.bad == 1 else 'criticize'} {_in_english(aspect)}"
    before = f", {_of(episode.before)} before" if rule in SPIKES else ""
    return f"{'Over: ' if outcome == 'ended' else ''}{_of(episode.window)} {since} {said}{before}."


def _time(hour: int) -> str:
    return f"{datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _named(explained: tuple[str, Share, Share] | None) -> str:
    """Which aspect explains it."""
    if explained is None:
        return ""
    aspect, window, before = explained
    return (
        f" It is about {_in_english(aspect)}: of {window.reviews} reviews of these days {window.bad} criticize it, "
        f"{_of(before)} before."
    )


def _in_english(aspect: str) -> str:
    return aspect.replace("_", " ")


def _of(share: Share) -> str:
    return f"{share.bad} of {share.reviews} reviews"


def _verb(share: Share) -> str:
    return "is" if share.bad == 1 else "are"


def _quotes(
    rule: ProductRule, aspect: str | None, episode: Episode, state: ProductState, evidence: Iterable[Evidence]
) -> tuple[AlertQuote, ...]:
    """The worst ones of the window, of which a sentence is held; the newest first of equal ones."""
    bad = [
        one
        for one in evidence
        if episode.start <= one.created_at_ms // HOUR_MS <= episode.last and _is_bad(rule, aspect, one, state)
    ]
    worst = sorted(bad, key=lambda one: (-one.p_negative, one.rating or 0, -one.created_at_ms, one.review_id))
    return tuple(
        AlertQuote(one.review_id, one.revision, one.rating, quoted(one, rule, aspect)) for one in worst[:MAX_QUOTES]
    )


def _is_bad(rule: ProductRule, aspect: str | None, one: Evidence, state: ProductState) -> bool:
    if aspect:
        return any(m.label == "negative" and aspect in m.aspects for m in one.mentions)
    if rule == "safety_cluster":
        return one.review_id in state.hazards
    if rule == "rating_drop":
        return one.rating is not None and one.rating <= BAD_STARS
    return one.label == "negative"


def quoted(one: Evidence, rule: Rule, aspect: str | None = None) -> str:
    """What an alert quotes of a review, cut: of a hazard the key sentence, which speaks of it; else a kept sentence
    that criticizes the aspect, else any critical one, else the first one.

    ``aspect``: of a spike of an aspect.
    """
    critical = [m for m in one.mentions if m.label == "negative"]
    negative = next((m for m in critical if aspect in m.aspects), critical[0] if critical else None)
    if rule == "safety_cluster" and one.key is not None:
        sentence = one.sentence[slice(*one.key)]
    elif negative:
        sentence = one.sentence[negative.start : negative.end]
    else:
        sentence = one.sentence.partition("\n")[0]
    return sentence if len(sentence) <= _MAX_QUOTED_CHARACTERS else f"{sentence[: _MAX_QUOTED_CHARACTERS - 1]}…"


def _hour_name(hour: int) -> str:
    """2026-05-01T12: of UTC."""
    return f"{datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC):%Y-%m-%dT%H}"
