"""What is told of an episode, and when: once as it begins, once as it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream_app.steps.episodes import Circumstances, Mark, Told, judged
from stream_app.steps.spikes import Episode, Share

NOW = Circumstances(oldest_hour=0, is_fresh=True, is_news=True)
GOES_ON = Episode(100, 110, 120, False, Share(9, 11), Share(9, 99))
OVER = replace(GOES_ON, last=160, is_over=True)
TOLD = Mark(100, 120, "told", 100)


def test_episode_is_raised_once_and_its_end_is_told_once() -> None:
    mark, outcome = judged(None, GOES_ON, NOW)
    assert (mark, outcome) == (TOLD, "raised")
    mark, outcome = judged(mark, replace(GOES_ON, last=130), NOW)
    assert (mark, outcome) == (Mark(100, 130, "told", 100), None)
    mark, outcome = judged(mark, OVER, NOW)
    assert (mark, outcome) == (None, "ended")
    assert judged(mark, OVER, NOW) == (None, None)


def test_episode_that_begins_elsewhere_because_days_were_dropped_is_the_same() -> None:
    moved = replace(GOES_ON, start=119, last=130)
    assert judged(TOLD, moved, NOW) == (Mark(119, 130, "told", 100), None)
    assert judged(Mark(119, 130, "told", 100), None, NOW._replace(oldest_hour=110)) == (None, None)


def test_episode_that_begins_after_the_last_hour_of_the_noted_one_is_another() -> None:
    assert judged(TOLD, replace(GOES_ON, start=121, last=130), NOW) == (Mark(121, 130, "told", 121), "raised")


def test_episode_that_arose_and_ended_unseen_is_not_told() -> None:
    assert judged(None, OVER, NOW) == (None, None)


def test_evidence_that_was_withdrawn_is_told() -> None:
    assert judged(TOLD, None, NOW) == (None, "withdrawn")


def test_episode_whose_beginning_was_dropped_has_become_what_is_usual() -> None:
    assert judged(TOLD, None, NOW._replace(oldest_hour=101)) == (None, None)


def test_old_episode_is_raised_once_it_is_young() -> None:
    old = NOW._replace(is_fresh=False)
    mark, outcome = judged(None, GOES_ON, old)
    assert (mark, outcome) == (Mark(100, 120, "too_old", 100), "too_old")
    assert judged(mark, GOES_ON, old) == (mark, None), "counted once"
    assert judged(mark, replace(GOES_ON, last=170), NOW) == (Mark(100, 170, "told", 100), "raised")
    assert judged(mark, OVER, NOW) == (None, None), "nobody was told that it began"


def test_covered_episode_stays_silent() -> None:
    mark, outcome = judged(None, GOES_ON, NOW._replace(is_covered=True))
    assert (mark, outcome) == (Mark(100, 120, "covered", 100), "covered")
    assert judged(mark, GOES_ON, NOW) == (mark, None)
    assert judged(mark, OVER, NOW) == (None, None)


def test_rebuilt_view_tells_only_what_is_judged_again() -> None:
    """An event that the view before may not have finished; all others were told, or not, by it."""
    mark, outcome = judged(None, GOES_ON, NOW._replace(is_rebuild=True))
    assert (mark, outcome) == (Mark(100, 120, "rebuilt", 100), "rebuilt")
    assert judged(mark, GOES_ON, NOW._replace(is_news=False)) == (mark, None)
    assert judged(mark, GOES_ON, NOW) == (TOLD, "raised")


@pytest.mark.parametrize("found", [OVER, None])
def test_rebuild_tells_no_end_and_leaves_it_to_who_judges_next(found: Episode | None) -> None:
    assert judged(TOLD, found, NOW._replace(is_rebuild=True)) == (TOLD, None)
    assert judged(TOLD, found, NOW) == (None, "ended" if found else "withdrawn")


@pytest.mark.parametrize("told", ["rebuilt", "too_old", "covered"])
@pytest.mark.parametrize("found", [OVER, None])
@pytest.mark.parametrize("is_rebuild", [True, False])
def test_end_of_what_was_never_told_is_not_told(told: Told, found: Episode | None, is_rebuild: bool) -> None:
    """Whether a rebuild came in between, or not."""
    assert judged(Mark(100, 120, told, 100), found, NOW._replace(is_rebuild=is_rebuild)) == (None, None)
