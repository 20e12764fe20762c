"""What follows when a product has turned bad, or is well again: each episode alarms once, and is told when it ends."""

from __future__ import annotations

from typing import Literal, NamedTuple

from stream_app.steps.spikes import Episode

Told = Literal["told", "too_old", "covered", "rebuilt"]
"""Of an episode that goes on: it raised an alert; or it did not, because it was over the age, because another rule had
alarmed of the product, or because the view was being rebuilt, and no alert of the view before is known.
"""

Outcome = Literal["raised", "ended", "withdrawn", "too_old", "covered", "rebuilt"]
"""What is to be told now: an alert (raised), or that it is over; or why an alert that is due is not raised."""


class Mark(NamedTuple):
    """What the view notes of an episode that goes on.

    ``start``, ``last``: its first and its newest hour, as the state has it now. ``begun``: its first hour when it was
    noted first, by which its alert is named.
    """

    start: int
    last: int
    told: Told
    begun: int


class Circumstances(NamedTuple):
    """``oldest_hour``: the first that the state keeps. ``is_fresh``: the episode's last hour is young enough to alarm.
    ``is_news``: what was just applied lies in the hours that raised it. ``is_covered``: another rule has told of the
    product. ``is_rebuild``: nothing is told, neither that an episode begins nor that it is over.
    """

    oldest_hour: int
    is_fresh: bool
    is_news: bool
    is_covered: bool = False
    is_rebuild: bool = False


def judged(mark: Mark | None, found: Episode | None, now: Circumstances) -> tuple[Mark | None, Outcome | None]:
    """The mark that the view is to hold, and what is to be told. Judged again, nothing more is.

    ``mark``: the one held. ``found``: the newest episode of the state, over or not. It is the one of the mark if it
    begins before the mark's last hour: its first hour may move a little as old days are dropped.
    """
    if found is not None and not found.is_over:
        same = mark if mark is not None and found.start <= mark.last else None
        told, outcome = _told(same.told if same else None, now)
        return Mark(found.start, found.last, told, same.begun if same else found.start), outcome
    if mark is None or mark.told != "told":  # guarantee: only-what-was-told-ends
        return None, None
    if now.is_rebuild:  # guarantee: rebuild-tells-no-end
        return mark, None
    if found is not None:
        return None, "ended"
    # where its beginning was dropped with its day, what it rose to has become the product's usual share
    return None, "withdrawn" if mark.begun >= now.oldest_hour else None


def _told(before: Told | None, now: Circumstances) -> tuple[Told, Outcome | None]:
    """What is noted of an episode that goes on, and what is to be told of it."""
    if before in ("told", "covered"):  # guarantee: episode-alarms-once
        return before, None
    if now.is_rebuild:  # guarantee: rebuild-alarms-of-no-episode
        return "rebuilt", None if before else "rebuilt"
    if before == "rebuilt" and not now.is_news:  # guarantee: episode-of-a-rebuild-is-not-told-again
        return before, None
    if not now.is_fresh:  # guarantee: old-episode-does-not-alarm
        return before or "too_old", None if before else "too_old"
    if now.is_covered:
        return "covered", "covered"
    return "told", "raised"
