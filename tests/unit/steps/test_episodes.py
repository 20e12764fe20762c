"""What is reported of an episode, and when: once as it begins, once as it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream_app.steps.episodes import Circumstances, Mark, MarkState, Outcome, judged
from stream_app.steps.spikes import Basis, Episode, Share

NOW = Circumstances(oldest_hour=0, is_fresh=True, is_news=True)
BASIS = Basis(110, Share(5, 5), 1000, Share(0, 0), Share(9, 99))
GOES_ON = Episode(100, 110, 120, False, Share(9, 11), Share(9, 99), BASIS)
ENDED = replace(GOES_ON, last=160, is_over=True)
RAISED = Mark(100, 120, "raised", 100, BASIS)
OVER = Mark(100, 160, "over", 100)

Heard = tuple[Mark | None, list[Outcome]]


def heard(mark: Mark | None, noted: Episode | None, newest: Episode | None, now: Circumstances = NOW) -> Heard:
    after, changes = judged(mark, noted, newest, now)
    return after, [one.outcome for one in changes]


def test_episode_is_raised_once_and_its_end_is_reported_once() -> None:
    assert heard(None, None, GOES_ON) == (RAISED, ["raised"])
    assert heard(RAISED, replace(GOES_ON, last=130), None) == (RAISED._replace(last=130), [])
    assert heard(RAISED, ENDED, None) == (OVER, ["ended"])
    assert heard(OVER, None, None) == (OVER, [])


def test_end_names_the_alert_and_has_the_counts_of_its_own_episode() -> None:
    newer = replace(GOES_ON, start=161, detected=165, last=170)
    after, changes = judged(RAISED, ENDED, newer, NOW)

    assert after == Mark(161, 170, "raised", 161, BASIS)
    assert [(one.outcome, one.mark.begun, one.episode) for one in changes] == [
        ("ended", 100, ENDED),
        ("raised", 161, newer),
    ]


def test_episode_that_begins_elsewhere_because_days_were_dropped_is_the_same() -> None:
    moved = replace(GOES_ON, start=119, last=130)
    assert heard(RAISED, moved, None) == (Mark(119, 130, "raised", 100, BASIS), [])


def test_episode_that_arose_and_ended_unseen_is_not_reported() -> None:
    assert heard(None, None, ENDED) == (None, [])


def test_evidence_that_was_withdrawn_is_reported() -> None:
    """Also where an older episode lies in the kept days: that one is over, and was reported."""
    assert heard(RAISED, None, None) == (Mark(100, 120, "over", 100), ["withdrawn"])
    assert heard(RAISED, None, replace(ENDED, start=20, last=60)) == (Mark(100, 120, "over", 100), ["withdrawn"])


def test_episode_whose_beginning_was_dropped_has_become_what_is_usual() -> None:
    assert heard(RAISED, None, None, NOW._replace(oldest_hour=101)) == (Mark(100, 120, "over", 100), [])


def test_alert_after_one_that_is_over_has_another_id() -> None:
    """Receivers drop an id that they have. Hazards of a withdrawn cluster may be evidence for the next one."""
    same_hour = replace(GOES_ON, start=90, last=170)
    after, [change] = judged(OVER, None, same_hour, NOW)
    assert (change.outcome, change.mark.begun) == ("raised", 161)
    assert after == change.mark == Mark(90, 170, "raised", 161, BASIS)


def test_mark_of_what_is_over_goes_with_its_days() -> None:
    assert heard(OVER, None, None, NOW._replace(oldest_hour=160)) == (OVER, [])
    assert heard(OVER, None, None, NOW._replace(oldest_hour=161)) == (None, [])


def test_old_episode_is_raised_once_it_is_young() -> None:
    old, too_old = NOW._replace(is_fresh=False), RAISED._replace(state="too_old")
    assert heard(None, None, GOES_ON, old) == (too_old, ["too_old"])
    assert heard(too_old, GOES_ON, None, old) == (too_old, []), "counted once"
    assert heard(too_old, replace(GOES_ON, last=170), None) == (RAISED._replace(last=170), ["raised"])
    assert heard(too_old, ENDED, None) == (OVER, []), "no alert reported that it began"


def test_covered_episode_stays_silent() -> None:
    covered = RAISED._replace(state="covered")
    assert heard(None, None, GOES_ON, NOW._replace(is_covered=True)) == (covered, ["covered"])
    assert heard(covered, GOES_ON, None) == (covered, [])
    assert heard(covered, ENDED, None) == (OVER, [])


def test_rebuilt_view_raises_only_what_is_judged_again() -> None:
    """An event that the view before may not have finished; all others were reported, or not, by it."""
    rebuilt = RAISED._replace(state="rebuilt")
    assert heard(None, None, GOES_ON, NOW._replace(is_rebuild=True)) == (rebuilt, ["rebuilt"])
    assert heard(rebuilt, GOES_ON, None, NOW._replace(is_news=False)) == (rebuilt, [])
    assert heard(rebuilt, GOES_ON, None) == (RAISED, ["raised"])


@pytest.mark.parametrize("noted", [ENDED, None])
def test_rebuild_reports_no_end_and_leaves_it_to_who_judges_next(noted: Episode | None) -> None:
    assert heard(RAISED, noted, None, NOW._replace(is_rebuild=True)) == (RAISED, [])
    assert heard(RAISED, noted, None)[1] == ["ended" if noted else "withdrawn"]


@pytest.mark.parametrize("state", ["rebuilt", "too_old", "covered"])
@pytest.mark.parametrize("noted", [ENDED, None])
@pytest.mark.parametrize("is_rebuild", [True, False])
def test_end_of_what_was_never_raised_is_not_reported(
    state: MarkState, noted: Episode | None, is_rebuild: bool
) -> None:
    """Whether a rebuild came in between, or not."""
    mark, outcomes = heard(RAISED._replace(state=state), noted, None, NOW._replace(is_rebuild=is_rebuild))
    assert outcomes == []
    assert mark is not None
    assert mark.state == "over"
