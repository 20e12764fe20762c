"""What follows when a product has turned bad, or is well again: each episode alarms once, and its end is reported."""

from __future__ import annotations

from typing import Literal, NamedTuple

from stream_app.steps.spikes import Basis, Episode

MarkState = Literal["raised", "too_old", "covered", "rebuilt", "over"]
"""Of an episode: it raised an alert; or it did not, because it was over the age, because another rule had alarmed of
the product, or because the view was being rebuilt, and no alert of the view before is known. Or it is over.
"""

Outcome = Literal["raised", "ended", "withdrawn", "too_old", "covered", "rebuilt"]
"""What is to be reported now: an alert (raised), or that it is over; or why an alert that is due is not raised."""


class Mark(NamedTuple):
    """What the view notes of the newest episode, until the days that it was in are dropped.

    ``start``, ``last``: its first and its newest hour, as the state has it now. ``begun``: by which hour its alert is
    named, no other one's: its first when it was noted first. ``basis``: by what it was found, of a spike; None where
    that is not known, or it is over.
    """

    start: int
    last: int
    state: MarkState
    begun: int
    basis: Basis | None = None


class Circumstances(NamedTuple):
    """``oldest_hour``: the first that the state keeps. ``is_fresh``: the last hour of the episode that goes on is young
    enough to alarm. ``is_news``: what was just applied lies in the hours that raised it. ``is_covered``: another rule
    has alarmed of the product. ``is_rebuild``: nothing is reported, neither that an episode begins nor that it is over.
    """

    oldest_hour: int
    is_fresh: bool
    is_news: bool
    is_covered: bool = False
    is_rebuild: bool = False


class EpisodeChange(NamedTuple):
    """What is to be reported of an episode, or why it is not. ``mark``: what was noted of it. ``episode``: None where
    its evidence is gone.
    """

    outcome: Outcome
    mark: Mark
    episode: Episode | None


def is_open(mark: Mark | None) -> bool:
    """Does the episode that is noted go on, as far as the view knows?"""
    return mark is not None and mark.state != "over"


def judged(
    mark: Mark | None, noted: Episode | None, newest: Episode | None, now: Circumstances
) -> tuple[Mark | None, list[EpisodeChange]]:
    """The mark that the view is to hold, and what is to be reported, in order. Judged again, nothing more is.

    ``mark``: the one held. ``noted``: what became of its episode, if that was open; None: its evidence is gone.
    ``newest``: the newest one that is none of the mark's; None: there is none, or the noted one goes on.
    """
    changes: list[EpisodeChange] = []
    if mark is not None and is_open(mark):
        if noted is not None and not noted.is_over:
            return _noted(noted, mark.begun, mark.state, now)
        if mark.state == "raised":  # guarantee: only-what-was-raised-ends
            if now.is_rebuild:  # guarantee: rebuild-reports-no-end
                return mark, []
            if noted is not None:
                changes = [EpisodeChange("ended", mark, noted)]
            elif mark.begun >= now.oldest_hour:
                changes = [EpisodeChange("withdrawn", mark, None)]
            # else what it rose to has become the product's usual share: its beginning was dropped with its day
        mark = Mark(mark.start, noted.last if noted else mark.last, "over", mark.begun)
    if newest is not None and not newest.is_over:
        begun = max(newest.start, mark.last + 1) if mark else newest.start  # guarantee: alert-id-names-one-episode
        mark, more = _noted(newest, begun, None, now)
        return mark, [*changes, *more]
    return mark if mark is not None and mark.last >= now.oldest_hour else None, changes


def _noted(
    episode: Episode, begun: int, before: MarkState | None, now: Circumstances
) -> tuple[Mark, list[EpisodeChange]]:
    state, outcome = _state_and_outcome(before, now)
    mark = Mark(episode.start, episode.last, state, begun, episode.basis)
    return mark, [EpisodeChange(outcome, mark, episode)] if outcome else []


def _state_and_outcome(before: MarkState | None, now: Circumstances) -> tuple[MarkState, Outcome | None]:
    """What is noted of an episode that goes on, and what is to be reported of it."""
    if before == "raised" or before == "covered":  # guarantee: episode-alarms-once
        return before, None
    if now.is_rebuild:  # guarantee: rebuild-alarms-of-no-episode
        return "rebuilt", None if before else "rebuilt"
    if before == "rebuilt" and not now.is_news:  # guarantee: episode-of-a-rebuild-is-not-raised-again
        return before, None
    if not now.is_fresh:  # guarantee: old-episode-does-not-alarm
        return before or "too_old", None if before else "too_old"
    if now.is_covered:
        return "covered", "covered"
    return "raised", "raised"
