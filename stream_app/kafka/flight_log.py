"""Notes which records are on the device, so that after a crash the one that caused it can be found."""

from __future__ import annotations

import fcntl
import itertools
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from stream_app.ports import ConfigurationError, Slot
from stream_app.records import Position

_REWRITE_AFTER_BYTES = 1 << 20

# A line is a sign and positions:   + reviews 3 1042 reviews 0 77   taken off;   - reviews 3 1042   landed.
# "! reviews 3 1042 2": this one was alone in the air in two deaths of the process.


class FlightLog:
    """An append-only file of one process. Not fsynced: it must survive the process, not the machine.

    ``note`` and ``landed`` are called from different threads; each writes its line in one system call. Several
    processes of a group on one machine have a file each: the first one free is taken, so that a successor finds
    its predecessor's.
    """

    def __init__(self, folder: Path, group: str) -> None:
        """Reads what the process before left, and starts anew with it. Raises ConfigurationError without a place."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path, self._lock = _first_free(folder, group)
        except OSError as error:
            raise ConfigurationError(
                f"{folder} cannot be written ({error.strerror}): set STREAM_APP_STATE_FOLDER to a folder that can."
            ) from error
        self._path = path
        self._deaths_alone: Counter[Position] = Counter()
        self._in_the_air = _read(path, self._deaths_alone)
        if len(self._in_the_air) == 1:
            self._deaths_alone.update(self._in_the_air)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._written = 0
        self._carry_over()

    def suspects(self) -> dict[Position, int]:
        """Records that were on the device when the process before died, and in how many deaths each was alone there.

        Empty after a clean end.
        """
        return {position: self._deaths_alone[position] for position in self._in_the_air}

    def note(self, slots: Iterable[Slot]) -> None:
        """These go to the device now. Called before they do."""
        self._append("+", [_position(slot) for slot in slots])

    def landed(self, slots: Iterable[Slot]) -> None:
        """These came back."""
        positions = [_position(slot) for slot in slots]
        for position in positions:
            self._deaths_alone.pop(position, None)
        self._append("-", positions)

    def close(self) -> None:
        """A clean end: nothing is left in the air, and the next process finds nobody suspect."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def _carry_over(self) -> None:
        """What is suspect stays so until it landed, also when the process dies before it comes to it."""
        for position, deaths in self._deaths_alone.items():
            self._write(f"! {position.topic} {position.partition} {position.offset} {deaths}\n")

    def _append(self, sign: str, positions: list[Position]) -> None:
        if positions:
            self._write(f"{sign} {' '.join(f'{p.topic} {p.partition} {p.offset}' for p in positions)}\n")

    def _write(self, line: str) -> None:
        self._written += os.write(self._file, line.encode())
        if self._written > _REWRITE_AFTER_BYTES:
            self._compact()

    def _compact(self) -> None:
        """Keep only what is in the air: replaces the file at once, so that a death in between loses nothing."""
        deaths: Counter[Position] = Counter()
        in_the_air = _read(self._path, deaths)
        scratch = self._path.with_suffix(".new")
        lines = [f"! {p.topic} {p.partition} {p.offset} {n}\n" for p, n in deaths.items()]
        lines += [f"+ {p.topic} {p.partition} {p.offset}\n" for p in in_the_air]
        scratch.write_text("".join(lines))
        scratch.replace(self._path)
        os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._written = sum(map(len, lines))


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


def _read(path: Path, deaths_alone: Counter[Position]) -> dict[Position, None]:
    """Positions in the air at the end of the file, in order; fills ``deaths_alone``. A line cut short is left out."""
    in_the_air: dict[Position, None] = {}
    if not path.exists():
        return in_the_air
    for line in path.read_text(errors="replace").splitlines(keepends=True):
        sign, *words = line.split()
        if not line.endswith("\n"):
            break
        if sign == "!":
            deaths_alone[Position(words[0], int(words[1]), int(words[2]))] = int(words[3])
            continue
        for topic, partition, offset in zip(words[::3], words[1::3], words[2::3], strict=True):
            position = Position(topic, int(partition), int(offset))
            if sign == "+":
                in_the_air[position] = None
            else:
                in_the_air.pop(position, None)
                deaths_alone.pop(position, None)
    return in_the_air


def _position(slot: Slot) -> Position:
    return Position(slot.record.topic, slot.record.partition, slot.record.offset)
