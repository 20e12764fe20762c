"""Notes which records are on the device, so that after a crash the one that caused it can be found."""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from stream_app.ports import ConfigurationError, Slot, Unavailable
from stream_app.records import Position

_FILE_BYTES = 1 << 20

_Place = tuple[str, int, int]
"""A Position, as the first fields of a record are one: every review is noted twice."""

# A line is a sign and positions:   + reviews 3 1042 reviews 0 77   taken off;   - reviews 3 1042   landed.
# "! reviews 3 1042 2": suspect since an earlier death of the process; was alone in the air in two of them.


class FlightLogLost(Unavailable):
    """Nothing can be noted any more: the process has to end, and may be started again.

    Not an OSError, since those of the Kafka clients' tasks are only logged.
    """


class FlightLog:
    """A file of one process, written to in memory (mmap): it must survive the process, not the machine.

    A system call for each run would let go of the interpreter's lock, and wait for it, twice; while this holds a lock
    of its own.

    ``note`` and ``landed`` may be called from any thread. Several processes of a group on one machine have a file
    each, which no other opens while they live: that of their ``number``, or else the first one free, so that a
    successor finds its predecessor's.
    """

    def __init__(self, folder: Path, group: str, number: int = 0) -> None:
        """Reads what the process before left, and starts anew with it. Raises ConfigurationError without a place, and
        FlightLogLost where it has no room.

        ``number``: which of the group's processes on this machine, from 1; 0: not numbered.
        """
        self._in_the_air: set[_Place] = set()
        self._lock = threading.Lock()
        self._end = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path, self._lock_file = _free_file(folder, group, number)
            in_the_air, self._suspects = _read(self._path)
        except OSError as error:
            raise ConfigurationError(
                f"{folder} cannot be written ({error.strerror}): set STREAM_APP_STATE_FOLDER to a folder that can."
            ) from error
        for position in in_the_air:
            self._suspects[position] = self._suspects.get(position, 0) + (len(in_the_air) == 1)
        self._rewrite()

    def suspects(self) -> dict[Position, int]:
        """Records that were on the device when a process died and have not landed since: in how many deaths alone.

        Empty after a clean end.
        """
        return dict(self._suspects)

    def note(self, slots: Iterable[Slot]) -> None:
        """These go to the device now. Called before they do."""
        places = [_place(slot) for slot in slots]
        with self._lock:
            self._in_the_air.update(places)
            self._append("+", places)

    def landed(self, slots: Iterable[Slot]) -> None:
        """These came back."""
        places = [_place(slot) for slot in slots]
        with self._lock:
            self._in_the_air.difference_update(places)
            if self._suspects:
                for place in places:
                    self._suspects.pop(Position(*place), None)
            self._append("-", places)

    def all_landed(self) -> None:
        """Nothing that is in the air is to blame for what happens next."""
        with self._lock:
            places = list(self._in_the_air)
            self._in_the_air.clear()
            if places:
                self._append("-", places)

    def close(self) -> None:
        """A clean end: nothing is left in the air, and the next process finds nobody suspect."""
        with self._lock:
            self._map.close()
            self._path.unlink(missing_ok=True)
            os.close(self._lock_file)

    def _append(self, sign: str, places: Iterable[_Place]) -> None:
        line = _line(sign, places)
        end = self._end + len(line)
        if end < len(self._map):  # a zero stays behind it
            self._map[self._end : end] = line
            self._end = end
        else:
            self._rewrite()

    def _rewrite(self) -> None:
        """Keep what is suspect or in the air; the file is replaced at once, so a death in between loses nothing.

        Zeros behind it take their room on most disks now: a write to memory could not say that one is full.
        """
        lines = [_line("!", [position], f" {deaths}") for position, deaths in self._suspects.items()]
        lines += [_line("+", [position]) for position in self._in_the_air]
        content = b"".join(lines)
        scratch = self._path.with_suffix(".new")
        try:
            scratch.write_bytes(content.ljust(len(content) + _FILE_BYTES, b"\0"))
            with scratch.open("r+b") as file:
                mapped = mmap.mmap(file.fileno(), 0)
            scratch.replace(self._path)
        except OSError as error:
            raise FlightLogLost(
                f"{self._path} cannot be written ({error.strerror}); free some space, or set STREAM_APP_STATE_FOLDER."
            ) from error
        self._map, self._end = mapped, len(content)


def _free_file(folder: Path, group: str, member: int) -> tuple[Path, int]:
    """A file of the group that no living process has, and the descriptor that holds its lock until it dies.

    The member's own; where another has it (two `up` with one folder), the first free one.
    """
    for number in itertools.chain([max(0, member - 1)], itertools.count()):
        lock = os.open(folder / f"{group}.{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return folder / f"{group}.{number}.flight", lock
    raise AssertionError("unreachable")


def _read(path: Path) -> tuple[set[Position], dict[Position, int]]:
    """What is in the air at the end of what was written, and the suspects. A line cut short is left out."""
    in_the_air: set[Position] = set()
    suspects: dict[Position, int] = {}
    written = path.read_bytes().partition(b"\0")[0] if path.exists() else b""
    lines = written.decode(errors="replace").splitlines(keepends=True)
    for line in lines:
        if not line.endswith("\n"):
            break
        sign, *words = line.split()
        for topic, partition, offset in zip(words[::3], words[1::3], words[2::3], strict=False):
            position = Position(topic, int(partition), int(offset))
            if sign == "!":
                suspects[position] = int(words[3])
            elif sign == "+":
                in_the_air.add(position)
            else:
                in_the_air.discard(position)
                suspects.pop(position, None)
    return in_the_air, suspects


def _line(sign: str, places: Iterable[_Place], rest: str = "") -> bytes:
    written = " ".join([f"{topic} {partition} {offset}" for topic, partition, offset in places])
    return f"{sign} {written}{rest}\n".encode()


def _place(slot: Slot) -> _Place:
    return slot.record[:3]
