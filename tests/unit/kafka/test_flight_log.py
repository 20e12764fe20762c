"""The flight log finds the review that kills its worker; a death is a log that nobody closed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stream_app.kafka import flight_log
from stream_app.kafka.flight_log import FlightLog, FlightLogLost
from stream_app.ports import ConfigurationError, Slot
from stream_app.records import Partition, Position, RawRecord

GROUP = "shop.enrich"


def slots(*offsets: int) -> list[Slot]:
    return [Slot(RawRecord("reviews", 0, offset, 0, None, b""), Partition("reviews", 0), 1) for offset in offsets]


def at(offset: int) -> Position:
    return Position("reviews", 0, offset)


def die(log: FlightLog) -> None:
    """What the operating system does with a dead process's files."""
    log._map.close()
    os.close(log._lock_file)


def test_nobody_is_suspect_at_first_and_after_a_clean_end(tmp_path: Path) -> None:
    log = FlightLog(tmp_path, GROUP)
    assert log.suspects() == {}
    log.note(slots(1, 2))
    log.close()
    assert FlightLog(tmp_path, GROUP).suspects() == {}


def test_those_in_the_air_at_a_death_are_suspect_those_that_landed_are_not(tmp_path: Path) -> None:
    log = FlightLog(tmp_path, GROUP)
    log.note(slots(1, 2, 3))
    log.landed(slots(2))
    die(log)
    assert FlightLog(tmp_path, GROUP).suspects() == {at(1): 0, at(3): 0}


def test_review_alone_in_the_air_at_each_death_is_counted(tmp_path: Path) -> None:
    for deaths in range(3):
        log = FlightLog(tmp_path, GROUP)
        assert log.suspects() == ({at(7): deaths} if deaths else {})
        log.note(slots(7))
        die(log)


def test_suspects_stay_suspect_when_the_process_dies_before_it_comes_to_them(tmp_path: Path) -> None:
    log = FlightLog(tmp_path, GROUP)
    log.note(slots(1, 2))
    die(log)
    die(FlightLog(tmp_path, GROUP))
    log = FlightLog(tmp_path, GROUP)
    assert log.suspects() == {at(1): 0, at(2): 0}
    log.note(slots(1))
    log.landed(slots(1))
    log.note(slots(2))
    die(log)
    assert FlightLog(tmp_path, GROUP).suspects() == {at(2): 1}


def test_nobody_is_suspect_when_what_happened_is_nobodys_fault(tmp_path: Path) -> None:
    """A device that fails its canary ends the process with innocent reviews on it."""
    log = FlightLog(tmp_path, GROUP)
    log.note(slots(1))
    log.all_landed()
    die(log)
    assert FlightLog(tmp_path, GROUP).suspects() == {}


def test_line_cut_short_by_the_death_is_left_out(tmp_path: Path) -> None:
    log = FlightLog(tmp_path, GROUP)
    log.note(slots(1))
    for cut in (b"+ reviews 0 2", b"+ reviews\0 0 2\n"):  # at its end, or before it was copied as a whole
        log._map[log._end : log._end + len(cut)] = cut
        assert flight_log._read(log._path) == ({at(1)}, {})
    die(log)


def test_file_stays_small_and_forgets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight_log, "_FILE_BYTES", 500)
    log = FlightLog(tmp_path, GROUP)
    log.note(slots(5))
    for offset in range(100, 300):
        log.note(slots(offset))
        log.landed(slots(offset))
    assert (tmp_path / f"{GROUP}.0.flight").stat().st_size < 600
    die(log)
    assert FlightLog(tmp_path, GROUP).suspects() == {at(5): 1}


def test_full_disk_ends_the_process_and_loses_nothing_that_was_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of the operating system are only logged where the Kafka client's tasks raise them."""
    monkeypatch.setattr(flight_log, "_FILE_BYTES", 100)
    log = FlightLog(tmp_path, GROUP)
    log.note(slots(5))

    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FlightLogLost, match="No space left"):
        log.note(slots(*range(100, 200)))
    die(log)
    with pytest.raises(FlightLogLost, match="free some space"):
        FlightLog(tmp_path, GROUP)  # which started again finds the disk as full
    assert at(5) in flight_log._read(log._path)[0]


def test_processes_side_by_side_have_a_file_each_and_a_successor_finds_its_predecessors(tmp_path: Path) -> None:
    first, second = FlightLog(tmp_path, GROUP), FlightLog(tmp_path, GROUP)
    first.note(slots(1))
    second.note(slots(2))
    die(second)
    assert FlightLog(tmp_path, GROUP).suspects() == {at(2): 1}


def test_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="STREAM_APP_STATE_FOLDER"):
        FlightLog(tmp_path / "file", GROUP)


def test_numbered_process_finds_its_own_notes_whoever_comes_back_first(tmp_path: Path) -> None:
    """Both died; the second comes back before the first."""
    first, second = FlightLog(tmp_path, GROUP, 1), FlightLog(tmp_path, GROUP, 2)
    first.note(slots(1))
    second.note(slots(2))
    die(first)
    die(second)
    assert FlightLog(tmp_path, GROUP, 2).suspects() == {at(2): 1}
    assert FlightLog(tmp_path, GROUP, 1).suspects() == {at(1): 1}


def test_two_processes_of_one_number_do_not_mix_their_notes(tmp_path: Path) -> None:
    """Somebody ran `up` twice with one state folder."""
    logs = [FlightLog(tmp_path, GROUP, 1), FlightLog(tmp_path, GROUP, 1)]
    for offset, log in enumerate(logs):
        log.note(slots(offset))
    for log in logs:
        die(log)
    found = [FlightLog(tmp_path, GROUP).suspects(), FlightLog(tmp_path, GROUP).suspects()]
    assert found == [{at(0): 1}, {at(1): 1}]
