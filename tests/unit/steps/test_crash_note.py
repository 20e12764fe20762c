"""The note in the commit metadata: what is written is read again, and what is not ours is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.crash_note import CrashNote, inherited, unpacked

OFFSETS = st.integers(0, 2**63 - 1)
ALONE = st.none() | st.tuples(OFFSETS, st.integers(0, 10**9 - 1), st.booleans())


@given(st.booleans(), OFFSETS, st.integers(0, 10**9 - 1), ALONE)
def test_note_is_read_as_it_was_written_and_is_short(
    is_open: bool, until: int, deaths: int, alone: tuple[int, int, bool] | None
) -> None:
    note = CrashNote(is_open, until, deaths, *(alone or ()))
    assert unpacked(note.packed()) == note
    assert len(note.packed()) <= 150


@pytest.mark.parametrize(
    "metadata",
    [None, "", "another application's", "stream-app.crash-note/2 open until=3 deaths=0", '{"offset": 3}', "é" * 4000]
    + [
        f"stream-app.crash-note/1 {rest}" for rest in ("", "open", "open until=x deaths=0", "open until=1 deaths=0 and")
    ],
)
def test_metadata_of_others_and_of_other_versions_is_ignored(metadata: str | None) -> None:
    assert unpacked(metadata) is None


def test_open_note_makes_candidates_of_what_is_not_committed_and_counts_the_death() -> None:
    assert inherited(CrashNote(True, until=50, deaths=1), 40, end=100) == CrashNote(True, until=50, deaths=2)


def test_what_was_produced_after_the_death_is_no_candidate() -> None:
    found = inherited(CrashNote(True, until=5000), 40, end=45)
    assert found is not None
    assert found.until == 45
    assert inherited(CrashNote(True, until=5000), 40, end=None) == CrashNote(True, until=5000, deaths=1)


@pytest.mark.parametrize("note", [None, CrashNote(True, until=40), CrashNote(True, until=12)])
def test_nothing_is_inherited_where_everything_is_committed(note: CrashNote | None) -> None:
    assert inherited(note, 40, end=100) is None


def test_nothing_is_inherited_without_a_committed_offset() -> None:
    assert inherited(CrashNote(True, until=40), None, end=100) is None


def test_clean_hand_over_in_the_middle_of_the_candidates_leaves_them_and_counts_no_death() -> None:
    note = CrashNote(False, until=50, deaths=1, alone=44, alone_deaths=1, alone_now=True)
    found = inherited(note, 40, end=100)
    assert found is not None
    assert (found.until, found.deaths, found.alone, found.alone_deaths) == (50, 1, 44, 1)


@pytest.mark.parametrize(("now", "deaths"), [(True, 2), (False, 1)])
def test_death_counts_for_a_review_only_if_it_was_on_the_device(now: bool, deaths: int) -> None:
    found = inherited(CrashNote(True, 50, 1, alone=44, alone_deaths=1, alone_now=now), 40, end=100)
    assert found is not None
    assert (found.alone, found.alone_deaths) == (44, deaths)


def test_review_that_is_committed_since_is_to_blame_no_more() -> None:
    found = inherited(CrashNote(True, 50, 1, alone=39, alone_deaths=1, alone_now=True), 40, end=100)
    assert found is not None
    assert (found.alone, found.alone_deaths) == (None, 0)
