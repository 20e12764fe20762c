"""Cuts training data into batches of few different shapes: in bf16 each new one costs a CPU a compilation."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

LENGTH_STEP = 32
"""Lengths are rounded up to multiples of this many tokens."""


def batches_of_few_shapes(
    lengths: Sequence[int], batch_tokens: int, rng: random.Random, most_rows: int | None = None
) -> list[list[int]]:
    """Indices of ``lengths`` in random batches of equal rounded length and as many rows as fit ``batch_tokens``.

    ``most_rows``: no batch has more, so that short texts are not learned in a few steps.
    What does not fill a batch of its own length joins those of the next length; the last few make smaller batches.
    """
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for index in rng.sample(range(len(lengths)), len(lengths)):
        by_length[_rounded(lengths[index])].append(index)
    batches: list[list[int]] = []
    left: list[int] = []
    for length in range(LENGTH_STEP, max(by_length, default=0) + 1, LENGTH_STEP):
        own = by_length[length]
        rows = _rows(length, batch_tokens, most_rows)
        # one of its own length in each batch at least, so that all of them are padded to it
        while own and len(own) + len(left) >= rows:
            others = [left.pop() for _ in range(min(len(left), rows - 1))]
            batches.append(others + [own.pop() for _ in range(rows - len(others))])
        left += own
    left.sort(key=lengths.__getitem__)
    while left:
        rows = _rows(_rounded(lengths[left[-1]]), batch_tokens, most_rows)
        batches.append(left[-rows:])
        del left[-rows:]
    rng.shuffle(batches)
    return batches


def _rows(length: int, batch_tokens: int, most_rows: int | None) -> int:
    rows = max(1, batch_tokens // length)
    return min(rows, most_rows) if most_rows else rows


def _rounded(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP
