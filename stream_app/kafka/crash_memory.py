"""Notes in each partition's commit metadata which records may be on a device, so that a successor finds a killer.

A record is given to the role only after a committed note covers its offset. Notes are written ahead: each covers some
offsets that have not arrived yet, so that the periodic commits suffice, and none is made for single records.

    committed 34     arrived 34 … 57     until=121
              ^ note: open until=121     58 … 120 may be given to a device before the next note

All calls come from one event loop.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from stream_app import telemetry
from stream_app.records import Partition, Position
from stream_app.steps.crash_note import CrashNote, inherited, unpacked

LOOP_DEATHS = 3
"""Unclean ends in which nothing was committed: something else than a device dies, or not the isolated process alone."""

_LEAST_AHEAD = 64  # offsets
_QUIET_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class _Held:
    """A partition while it is ours. Offsets, exclusive where they are ends."""

    began_at: int | None
    """What was committed when it was assigned."""
    candidates_until: int
    deaths: int
    alone: int | None
    alone_deaths: int
    alone_now: bool = False
    first: int | None = None
    arrived: int = 0
    noted_at: int = 0
    """``arrived`` when the last note was committed."""
    covered: int = 0
    """``until`` of the last note that was committed; 0: none, or a clean one."""
    last_arrival: float = 0.0
    drained: bool = False


@dataclass(frozen=True, slots=True)
class Noted:
    """A note on its way to the broker, to be given back when it is committed."""

    partition: Partition
    metadata: str
    arrived: int
    covers: int


class CrashMemory:
    """Notes of the partitions of one process, and what their previous owners left."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds that only grow."""
        self._clock = clock
        self._held: dict[Partition, _Held] = {}
        self._until: dict[Partition, int] = {}  # of those that have poison-pill candidates
        self._commit: Callable[[Iterable[Partition]], Awaitable[bool]] | None = None

    # ---- what the role asks

    @property
    def has_candidates(self) -> bool:
        """Is there any record that may have killed a previous owner?"""
        return bool(self._until)

    def is_candidate(self, position: Position) -> bool:
        """May this record have been on a device when a previous owner of its partition died?"""
        until = self._until.get(Partition(position.topic, position.partition))
        return until is not None and position.offset < until

    def in_a_loop(self, partition: Partition) -> bool:
        """Did LOOP_DEATHS owners end uncleanly without any progress?"""
        held = self._held.get(partition)
        return held is not None and held.deaths >= LOOP_DEATHS

    def deaths_alone(self, position: Position) -> int:
        """In how many deaths of a process was this record noted to be alone on the device?"""
        held = self._held.get(Partition(position.topic, position.partition))
        return held.alone_deaths if held is not None and held.alone == position.offset else 0

    async def note_alone(self, position: Position) -> bool:
        """Commit that this record is alone on the device from now on. False: the partition is no longer ours.

        The record that was alone before may be another partition's: in the same commit its note records that it
        passed, since it does not cause a later death.
        """
        partition = Partition(position.topic, position.partition)
        held = self._held.get(partition)
        if held is None or self._commit is None:
            return False
        passed = [one for one, other in self._held.items() if other.alone_now and one != partition]
        for other in passed:
            self._held[other].alone_now = False  # guarantee: who-passed-alone-is-noted-across-partitions
        if held.alone is not None and held.alone_deaths and position.offset < held.alone:
            # alone before, in a process that died later: a note of it would forget which one that died of
            return not passed or await self._commit(passed)
        if held.alone != position.offset:
            held.alone, held.alone_deaths = position.offset, 0
        held.alone_now = True
        return await self._commit([partition, *passed])

    # ---- called by the consumer

    def commits_by(self, commit: Callable[[Iterable[Partition]], Awaitable[bool]]) -> None:
        """``commit`` writes the partitions' notes now, all in one commit; False when the broker refused it."""
        self._commit = commit

    def assigned(self, partition: Partition, committed: int | None, metadata: str, end: int | None) -> None:
        """The partition is ours, with this committed offset and metadata; ``end``: the offset of its next record, None
        if that is not known.
        """
        note = inherited(unpacked(metadata), committed, end)
        if note is None or committed is None:
            self._held[partition] = _Held(committed, 0, 0, None, 0)
            return
        self._held[partition] = _Held(committed, note.until, note.deaths, note.alone, note.alone_deaths)
        self._until[partition] = note.until
        telemetry.partition_was_left_open(*partition, committed, note.until - committed, note.deaths)
        if note.deaths >= LOOP_DEATHS:
            telemetry.crash_loop_was_seen(*partition, committed, note.deaths)

    def revoked(self) -> None:
        """No partition is ours any more."""
        self._held.clear()
        self._until.clear()

    def arrive(self, partition: Partition, first: int, last: int) -> bool:
        """Records with these offsets arrived. Does a committed note cover them?"""
        held = self._held.get(partition)
        if held is None:
            return True
        if held.first is None:
            held.first = first
        held.arrived = max(held.arrived, last + 1)
        held.last_arrival = self._clock()
        return held.arrived <= held.covered  # guarantee: records-are-noted-before-the-device-has-them

    def drained(self) -> None:
        """Note that everything that was started is finished."""
        for held in self._held.values():
            held.drained = True

    def stale(self, partition: Partition, committable: int | None) -> bool:
        """Does the partition's committed note need another one, even if its offset did not move?"""
        held = self._held.get(partition)
        if held is None:
            return False
        if held.first is None:  # a note that was found stays as it is, but no process died of it this time
            return held.drained and held.candidates_until > 0
        if self._is_clean(held, committable):
            return held.covered > 0
        return held.arrived > held.noted_at

    def offset(self, partition: Partition) -> int | None:
        """What may be committed with a note while nothing of this assignment is delivered; None: there is none yet."""
        held = self._held.get(partition)
        if held is None:
            return None
        return held.first if held.began_at is None else held.began_at

    def note(self, partition: Partition, offset: int) -> Noted:
        """The metadata of a commit of ``offset``."""
        held = self._held.get(partition)
        if held is None:
            return Noted(partition, "", 0, 0)
        moved = held.began_at is None or offset > held.began_at
        candidates_until = held.candidates_until if held.candidates_until > offset else 0
        alone = held.alone if held.alone is not None and held.alone >= offset else None
        clean = self._is_clean(held, offset)
        since_last = held.arrived - max(held.noted_at, held.first or 0)
        ahead = 0 if clean else held.arrived + max(_LEAST_AHEAD, 2 * since_last)
        until = max(candidates_until, ahead)
        if clean and not until:
            return Noted(partition, "", held.arrived, 0)
        deaths_alone = 0 if alone is None else held.alone_deaths
        deaths = 0 if moved else held.deaths
        note = CrashNote(not clean, until, deaths, alone, deaths_alone, held.alone_now)
        return Noted(partition, note.packed(), held.arrived, ahead)

    def committed(self, noted: Iterable[tuple[Noted, int]]) -> None:
        """The broker has these notes, each with the offset committed."""
        for one, offset in noted:
            held = self._held.get(one.partition)
            if held is None:
                continue
            held.noted_at, held.covered = one.arrived, one.covers
            if offset >= held.candidates_until:
                self._until.pop(one.partition, None)

    def _is_clean(self, held: _Held, committable: int | None) -> bool:
        """Nothing is on a device; a partition that is only quiet for a moment stays open: the next note would cost a
        round trip.
        """
        quiet = self._clock() - held.last_arrival >= _QUIET_SECONDS
        return held.drained or (quiet and committable is not None and committable >= held.arrived)
