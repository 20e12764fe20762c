"""Queues texts for a model in two lanes, high priority and the others; each is first come, first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Generic, Protocol, TypeVar

from stream_app.steps.batch_plan import prefix_size

_MOST_TEXTS = 4096  # of one batch and lane: bounds the tokenizer's step
_OTHERS_SHARE = 0.25  # of a batch's budget, where both lanes have texts


class Waits(Protocol):
    """``size``: estimated tokens. ``high_priority``: does it overtake the others?"""

    size: int
    high_priority: bool


Item = TypeVar("Item", bound=Waits)


class Waiting(Generic[Item]):
    """Not safe for several threads by itself; ``tokens`` may be read by any.

    Neither lane starves: the others get at least a quarter of each batch's budget. Reviews are published in order, so
    what overtook one waits for it all the same, and is kept until then.
    """

    def __init__(self) -> None:
        self._high_priority: _PriorityLane[Item] = _PriorityLane()
        self._others: _PriorityLane[Item] = _PriorityLane()

    def __bool__(self) -> bool:
        return bool(self._high_priority.items or self._others.items)

    @property
    def tokens(self) -> int:
        """Estimated, of all that wait."""
        return self._high_priority.tokens + self._others.tokens

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            (self._high_priority if item.high_priority else self._others).add(item)

    def take(self, budget_tokens: int) -> list[Item]:
        """Take about one batch, at least one text of each lane where any waits; high priority first."""
        share = int(budget_tokens * _OTHERS_SHARE)
        taken = self._high_priority.take(budget_tokens - min(share, self._others.tokens))
        left = budget_tokens - sum(item.size for item in taken)
        return taken + self._others.take(max(share, left))  # guarantee: high-priority-starves-no-one

    def drop(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        """Drop these; return what was dropped."""
        return self._high_priority.drop(unwanted) + self._others.drop(unwanted)

    def clear(self) -> None:
        self.drop(lambda item: True)


class _PriorityLane(Generic[Item]):
    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.tokens = 0

    def add(self, item: Item) -> None:
        self.items.append(item)
        self.tokens += item.size

    def take(self, budget_tokens: int) -> list[Item]:
        sizes = (item.size for item in islice(self.items, _MOST_TEXTS))
        taken = [self.items.popleft() for _ in range(prefix_size(sizes, budget_tokens))]
        self.tokens -= sum(item.size for item in taken)
        return taken

    def drop(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        kept: deque[Item] = deque()
        dropped: list[Item] = []
        for item in self.items:
            (dropped if unwanted(item) else kept).append(item)
        self.items = kept
        self.tokens -= sum(item.size for item in dropped)
        return dropped
