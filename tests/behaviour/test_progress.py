"""How every ports.SummaryStore notes what is applied of the log, and finds that it came back with older data."""

from __future__ import annotations

import pytest

from stream_app.ports import SummaryStore, ViewLost
from tests.behaviour.running import Run


def progress(run: Run, store: SummaryStore) -> dict[int, int]:
    return run(store.progress())


def test_progress_of_each_partition_is_noted_and_never_falls(run: Run, store: SummaryStore) -> None:
    """An owner of before, whose partition moved, is not behind: it acknowledged less."""
    assert progress(run, store) == {}
    run(store.note_progress({0: 10, 3: 7}, {}))
    run(store.note_progress({0: 12}, {0: 10}))
    run(store.note_progress({0: 4, 3: 9}, {0: 2}))
    assert progress(run, store) == {0: 12, 3: 9}


def test_view_that_holds_less_than_was_acknowledged_is_lost(run: Run, store: SummaryStore) -> None:
    """Nothing is noted: whoever starts next has to find it too."""
    run(store.note_progress({0: 10, 1: 5}, {}))
    with pytest.raises(ViewLost):
        run(store.note_progress({1: 8, 0: 25}, {1: 5, 0: 20}))
    assert progress(run, store) == {0: 10, 1: 5}
    with pytest.raises(ViewLost):
        run(store.server_identity())


def test_view_that_holds_nothing_of_what_was_acknowledged_is_lost(run: Run, store: SummaryStore) -> None:
    with pytest.raises(ViewLost):
        run(store.note_progress({0: 25}, {0: 20}))
