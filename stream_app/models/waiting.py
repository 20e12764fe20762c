"""What waits for a model, in two lanes: texts that go first, and the others; in each first come, first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Generic, Protocol, TypeVar

from stream_app.steps.batch_plan import prefix_size

_MOST_TEXTS = 512  # of one batch and lane: bounds the tokeniser's step


class Waits(Protocol):
    """``size``: estimated tokens. ``first``: does it go first?"""

    size: int
    first: bool


Item = TypeVar("Item", bound=Waits)


class Waiting(Generic[Item]):
    """Not safe for several threads by itself; ``tokens`` may be read by any.

    Neither lane starves: where both have texts, the others get half of a batch at least. Reviews are published in
    order, so what overtook them waits for them all the same, and is kept meanwhile.
    """

    def __init__(self) -> None:
        self._first: deque[Item] = deque()
        self._others: deque[Item] = deque()
        self.tokens = 0
        """Estimated, of all that wait."""

    def __bool__(self) -> bool:
        return bool(self._first or self._others)

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            (self._first if item.first else self._others).append(item)
            self.tokens += item.size

    def take(self, budget_tokens: int) -> list[Item]:
        """About one batch: of each lane half of the budget, what the other one leaves, and one text at least."""
        half = budget_tokens // 2
        taken = _taken(self._first, half if self._others else budget_tokens)
        taken += _taken(self._others, max(half, budget_tokens - sum(item.size for item in taken)))
        self.tokens -= sum(item.size for item in taken)
        return taken

    def drop(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        """Forget these; returns what was forgotten."""
        dropped: list[Item] = []
        for lane in (self._first, self._others):
            kept: list[Item] = []
            for item in lane:
                (dropped if unwanted(item) else kept).append(item)
            lane.clear()
            lane.extend(kept)
        self.tokens -= sum(item.size for item in dropped)
        return dropped

    def clear(self) -> None:
        self.drop(lambda item: True)


def _taken(lane: deque[Item], budget_tokens: int) -> list[Item]:
    sizes = (item.size for item in islice(lane, _MOST_TEXTS))
    return [lane.popleft() for _ in range(prefix_size(sizes, budget_tokens))]
