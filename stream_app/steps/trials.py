"""Decides which texts to give next to a process that one of them may kill, and which one killed it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

GROUPS = 32
"""A death leaves at most this many smaller groups. Computing a few dozen texts one by one takes less time than starting
one more process, which halving would need for each halving.
"""
DEATHS_ALONE = 2
"""How many processes must die with an item alone in them before it is to blame."""


class Trials(Generic[Item]):
    """Finds the items that kill a process, by bisection into GROUPS parts. One process at a time.

    Items that no death points at go in batches. Those that were being computed at a death are tried afterwards, in
    groups, one at a time: a group that passes is cleared, one that dies is divided again.
    """

    def __init__(self, size: Callable[[Item], int], most: int) -> None:
        """``size`` of an item; the process holds about ``most`` at a time, or one item."""
        self.most = most
        self._size = size
        self._waiting: deque[Item] = deque()
        self._groups: deque[list[Item]] = deque()
        self._held: dict[Item, None] = {}  # by the process; in the order of handing over
        self._held_size = 0
        self._started: set[Item] = set()
        self._exclusive = False  # the process holds a group
        self._deaths_alone: dict[Item, int] = {}

    def __len__(self) -> int:
        """Items without a verdict."""
        return len(self._waiting) + len(self._held) + sum(map(len, self._groups))

    @property
    def held(self) -> int:
        """Items that the process has."""
        return len(self._held)

    def add(self, items: Iterable[Item]) -> None:
        """No death points at these."""
        self._waiting.extend(items)

    def next(self) -> list[Item]:
        """What the process is to be given now, in addition to what it holds."""
        if self._exclusive and self._held:
            return []
        self._exclusive = False
        given: list[Item] = []
        while self._waiting and (not self._held or self._held_size + self._size(self._waiting[0]) <= self.most):
            given.append(item := self._waiting.popleft())
            self._hold(item)
        if not self._held and self._groups:
            given = self._groups.popleft()
            self._exclusive = True
            for item in given:
                self._hold(item)
        return given

    def started(self, items: Iterable[Item]) -> None:
        """The process computes these now."""
        self._started.update(item for item in items if item in self._held)

    def passed(self, items: Iterable[Item]) -> list[Item]:
        """The process answered these and lives: they are cleared. Returns those that it was still asked for."""
        cleared = [item for item in items if item in self._held]
        for item in cleared:
            self._release(item)
            self._deaths_alone.pop(item, None)
        return cleared

    def died(self) -> list[Item]:
        """The process died. Returns the items that are to blame now; the others will be tried in another process.

        What it held without having started goes back to what waits, unless nothing was started: then it died before
        (in the tokenizer), and all of it may be to blame.
        """
        blamed = [item for item in self._held if item in self._started] or list(self._held)
        rest = [item for item in self._held if item not in set(blamed)]
        alone = self._exclusive and len(self._held) == 1  # guarantee: only-a-death-alone-blames
        was_exclusive = self._exclusive
        self._forget_held()
        if was_exclusive and rest:
            self._groups.append(rest)  # a death points at them still
        else:
            self._waiting.extendleft(reversed(rest))
        if alone:
            [item] = blamed
            self._deaths_alone[item] = self._deaths_alone.get(item, 0) + 1
            if self._deaths_alone[item] >= DEATHS_ALONE:  # guarantee: killer-needs-two-deaths
                del self._deaths_alone[item]
                return [item]
        self._groups.extendleft(reversed(_divided(blamed)))
        return []

    def drop(self) -> list[Item]:
        """Forget everything; returns what had no verdict."""
        dropped = [*self._held, *self._waiting, *(item for group in self._groups for item in group)]
        self._waiting.clear()
        self._groups.clear()
        self._deaths_alone.clear()
        self._forget_held()
        return dropped

    def _hold(self, item: Item) -> None:
        self._held[item] = None
        self._held_size += self._size(item)

    def _release(self, item: Item) -> None:
        del self._held[item]
        self._held_size -= self._size(item)
        self._started.discard(item)

    def _forget_held(self) -> None:
        self._held.clear()
        self._held_size = 0
        self._started.clear()
        self._exclusive = False


def _divided(items: Sequence[Item]) -> list[list[Item]]:
    """At most GROUPS groups of about equal size, none of them empty, each smaller than all of them unless it is one."""
    size = -(-len(items) // GROUPS)
    return [list(items[start : start + size]) for start in range(0, len(items), size)] if items else []
