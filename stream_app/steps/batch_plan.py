"""Cuts batches out of waiting texts, and micro-batches out of a batch, by what differing lengths cost a model.

``Packed``, ``PaddedRows`` and ``PaddedAttention`` are ports.MicroBatchPlan, one for each way to compute texts together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

MAX_PADDING_SHARE = 0.02
"""Of the tokens that one micro-batch computes, at most this share is padding, where computing is what costs."""

_MICRO_BATCH_TOKENS_WORTH = 13
"""What a micro-batch costs before its first token, in tokens: of the bundled classifier 13 in int8 and 19 in fp32 on a
Zen 3, 22 and 17 on a Zen 4 (`python -m benchmarks.probes.run_cost`). By those costs 10 to 16 differ by less than 0.7 %
of the work.
"""


def prefix_size(lengths: Iterable[int], budget_tokens: int) -> int:
    """How many of the oldest waiting texts (``lengths`` in tokens, first in first out) the next batch takes.

    As many as fit ``budget_tokens`` together, and one at least where any waits: a text longer than the budget goes
    alone. Never skips a text, so none starves.
    """
    total = size = 0
    for length in lengths:
        total += length
        if size and total > budget_tokens:
            break
        size += 1
    return size


@dataclass(frozen=True, slots=True)
class Packed:
    """The texts of a micro-batch lie end to end, in their order, and nothing is padded."""

    packs: ClassVar[bool] = True

    def cut(self, lengths: Sequence[int], micro_batch_tokens: int) -> list[list[int]]:
        micro_batches: list[list[int]] = []
        start = 0
        while start < len(lengths):
            size = prefix_size(lengths[start:], micro_batch_tokens)
            micro_batches.append(list(range(start, start + size)))
            start += size
        return micro_batches

    def padding(self, lengths: Sequence[int]) -> float:
        return 0


@dataclass(frozen=True, slots=True)
class PaddedRows:
    """A micro-batch is a rectangle, as long as its longest text; at most ``most_padding`` of it is padding."""

    most_padding: float = MAX_PADDING_SHARE
    packs: ClassVar[bool] = False

    def cut(self, lengths: Sequence[int], micro_batch_tokens: int) -> list[list[int]]:
        return _longest_first(lengths, micro_batch_tokens, self._of_one, lambda computed: self.most_padding * computed)

    def padding(self, lengths: Sequence[int]) -> float:
        return _padding(lengths, self._of_one)

    def _of_one(self, longest: int, length: int) -> float:
        return longest - length


@dataclass(frozen=True, slots=True)
class PaddedAttention:
    """Padding is left out of all products with weights, not of attention, where each text of a micro-batch is as long
    as the longest. So one of texts of different lengths may be cheaper than several: its padding is worth at most what
    another micro-batch costs.

    ``width``: of the hidden states. A pair of tokens costs attention 1 / (2 ``width``) of what a token costs all else:
    by count of products it is 1 / (6 ``width``), but those wait for memory and a softmax, and int8 leaves them in fp32
    (`python -m benchmarks.probes.run_cost`: 2.3 ``width`` in int8 and 3.5 in fp32 on a Zen 3, 1.6 and 4.8 on a Zen 4).
    """

    width: int
    packs: ClassVar[bool] = False

    def cut(self, lengths: Sequence[int], micro_batch_tokens: int) -> list[list[int]]:
        return _longest_first(lengths, micro_batch_tokens, self._of_one, lambda computed: _MICRO_BATCH_TOKENS_WORTH)

    def padding(self, lengths: Sequence[int]) -> float:
        return _padding(lengths, self._of_one)

    def _of_one(self, longest: int, length: int) -> float:
        return (longest * longest - length * length) / (2 * self.width)


def _padding(lengths: Sequence[int], padding_of: Callable[[int, int], float]) -> float:
    longest = max(lengths, default=0)
    return sum(padding_of(longest, length) for length in lengths)


def _longest_first(
    lengths: Sequence[int],
    micro_batch_tokens: int,
    padding_of: Callable[[int, int], float],
    most_padding: Callable[[float], float],
) -> list[list[int]]:
    """Indices of ``lengths``, longest first, in parts of at most ``micro_batch_tokens`` computed, padding included
    (a longer text is alone). ``padding_of``: of a text next to a longest one; ``most_padding``: of a part that computes
    so much.
    """
    parts: list[list[int]] = []
    longest = 0
    tokens = padding = 0.0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        if parts:
            more = padding + padding_of(longest, length)
            computed = tokens + length + more
            if computed <= micro_batch_tokens and more <= most_padding(computed):
                parts[-1].append(index)
                tokens, padding = tokens + length, more
                continue
        parts.append([index])
        longest, tokens, padding = length, length, 0.0
    return parts
