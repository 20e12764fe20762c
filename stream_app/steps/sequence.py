"""Keeps the records of one partition in offset order, from their arrival to the offset that may be committed."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Payload = TypeVar("Payload")


class OffsetJumpedBack(Exception):
    """A record arrived twice within one epoch: positions and sequence disagree, which only a bug can cause."""


class Sequencer(Generic[Payload]):
    """The order of one partition within one epoch (from its assignment to its revocation).

    Work finishes in any order, payloads leave in offset order, and the committable offset follows deliveries:

        arrived     34 35 36 40 41      gaps (37-39) are normal: compaction, transaction markers
        finished    34    36    41      34 is released at once, 36 and 41 wait for 35 and 40
        delivered   34                  next_offset is 35
    """

    __slots__ = ("_finished", "_last_arrived", "_released", "_undelivered", "_unfinished", "_waiting", "next_offset")

    def __init__(self) -> None:
        self.next_offset: int | None = None
        """What may be committed: the last contiguously delivered offset + 1; None before the first delivery."""
        self._last_arrived = -1
        self._waiting: deque[int] = deque()  # arrived and not released, in offset order
        self._unfinished: set[int] = set()
        self._finished: dict[int, Payload] = {}  # finished, but something earlier is not
        self._released: deque[int] = deque()  # released and not counted in next_offset, in offset order
        self._undelivered: set[int] = set()

    def __len__(self) -> int:
        """Records that arrived and are not yet counted in next_offset."""
        return len(self._waiting) + len(self._released)

    @property
    def has_read(self) -> bool:
        """Did anything arrive?"""
        return self._last_arrived >= 0

    def arrive(self, offset: int) -> None:
        """Raises OffsetJumpedBack unless ``offset`` is larger than all before it."""
        if offset <= self._last_arrived:  # guarantee: offsets-only-grow-within-an-epoch
            raise OffsetJumpedBack(f"Offset {offset} arrived after {self._last_arrived}; restart the process.")
        self._last_arrived = offset
        self._waiting.append(offset)
        self._unfinished.add(offset)

    def finish(self, offset: int, payload: Payload) -> list[tuple[int, Payload]]:
        """What this releases, in offset order: nothing while an earlier offset is unfinished.

        Raises ValueError when ``offset`` has not arrived or was finished before.
        """
        waiting, unfinished = self._waiting, self._unfinished
        if offset not in unfinished:
            raise ValueError(f"Offset {offset} has not arrived or was finished before; finish each slot once.")
        unfinished.remove(offset)
        self._finished[offset] = payload
        result: list[tuple[int, Payload]] = []
        while waiting and waiting[0] not in unfinished:  # guarantee: offset-order
            first = waiting.popleft()
            self._released.append(first)
            self._undelivered.add(first)
            result.append((first, self._finished.pop(first)))
        return result

    def delivered(self, offset: int) -> bool:
        """The payload of a released offset is safe. Does next_offset move?

        Raises ValueError when ``offset`` was not released or was delivered before.
        """
        released, undelivered = self._released, self._undelivered
        if offset not in undelivered:
            raise ValueError(f"Offset {offset} was not released or was delivered before; deliver each offset once.")
        undelivered.remove(offset)
        moved = False
        while released and released[0] not in undelivered:  # guarantee: commit-is-contiguous
            self.next_offset = released.popleft() + 1
            moved = True
        return moved
