"""Notes which records are on the device, so that after a crash the one that caused it can be found."""

from __future__ import annotations

import fcntl
import itertools
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from stream_app.ports import ConfigurationError, Slot
from stream_app.records import Position

_REWRITE_AFTER_BYTES = 1 << 20

# A line is a sign and positions:   + reviews 3 1042 reviews 0 77   taken off;   - reviews 3 1042   landed.
# "! reviews 3 1042 2": suspect since an earlier death of the process; was alone in the air in two of them.


class FlightLog:
    """An append-only file of one process. Not fsynced: it must survive the process, not the machine.

    ``note`` and ``landed`` may be called from any thread. Several processes of a group on one machine have a file
    each: the first one free is taken, so that a successor finds its predecessor's.
    """

    def __init__(self, folder: Path, group: str) -> None:
        """Reads what the process before left, and starts anew with it. Raises ConfigurationError without a place."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path, self._lock_file = _first_free(folder, group)
        except OSError as error:
            raise ConfigurationError(
                f"{folder} cannot be written ({error.strerror}): set STREAM_APP_STATE_FOLDER to a folder that can."
            ) from error
        in_the_air, self._suspects = _read(self._path)
        for position in in_the_air:
            self._suspects[position] = self._suspects.get(position, 0) + (len(in_the_air) == 1)
        self._in_the_air: dict[Position, None] = {}
        self._lock = threading.Lock()
        self._file = -1
        self._rewrite()

    def suspects(self) -> dict[Position, int]:
        """Records that were on the device when a process died and have not landed since: in how many deaths alone.

        Empty after a clean end.
        """
        return dict(self._suspects)

    def note(self, slots: Iterable[Slot]) -> None:
        """These go to the device now. Called before they do."""
        positions = [_position(slot) for slot in slots]
        with self._lock:
            self._in_the_air.update(dict.fromkeys(positions))
            self._append("+", positions)

    def landed(self, slots: Iterable[Slot]) -> None:
        """These came back."""
        positions = [_position(slot) for slot in slots]
        with self._lock:
            for position in positions:
                self._in_the_air.pop(position, None)
                self._suspects.pop(position, None)
            self._append("-", positions)

    def all_landed(self) -> None:
        """Nothing that is in the air is to blame for what happens next."""
        with self._lock:
            positions = list(self._in_the_air)
            self._in_the_air.clear()
            if positions:
                self._append("-", positions)

    def close(self) -> None:
        """A clean end: nothing is left in the air, and the next process finds nobody suspect."""
        with self._lock:
            os.close(self._file)
            self._path.unlink(missing_ok=True)
            os.close(self._lock_file)

    def _append(self, sign: str, positions: Iterable[Position]) -> None:
        line = _line(sign, positions)
        self._written += os.write(self._file, line)  # one system call: whole, or not there at all
        if self._written > _REWRITE_AFTER_BYTES:
            self._rewrite()

    def _rewrite(self) -> None:
        """Keep what is suspect or in the air; the file is replaced at once, so a death in between loses nothing."""
        lines = [_line("!", [position], f" {deaths}") for position, deaths in self._suspects.items()]
        lines += [_line("+", [position]) for position in self._in_the_air]
        content = b"".join(lines)
        scratch = self._path.with_suffix(".new")
        scratch.write_bytes(content)
        scratch.replace(self._path)
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._written = len(content)


def _first_free(folder: Path, group: str) -> tuple[Path, int]:
    """The first file of the group that no living process has, and the descriptor that holds its lock until it dies."""
    for number in itertools.count():
        lock = os.open(folder / f"{group}.{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return folder / f"{group}.{number}.flight", lock
    raise AssertionError("unreachable")


def _read(path: Path) -> tuple[set[Position], dict[Position, int]]:
    """What is in the air at the end of the file, and the suspects. A line cut short is left out."""
    in_the_air: set[Position] = set()
    suspects: dict[Position, int] = {}
    lines = path.read_text(errors="replace").splitlines(keepends=True) if path.exists() else []
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


def _line(sign: str, positions: Iterable[Position], rest: str = "") -> bytes:
    return f"{sign} {' '.join(f'{p.topic} {p.partition} {p.offset}' for p in positions)}{rest}\n".encode()


def _position(slot: Slot) -> Position:
    return Position(slot.record.topic, slot.record.partition, slot.record.offset)
