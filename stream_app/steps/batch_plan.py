"""Which waiting texts make the next batch, and how a batch is cut into runs of near-equal length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MAX_PADDING_SHARE = 0.02
"""Of the tokens that one run computes, at most this share is padding, where computing is what costs."""


def prefix_size(lengths: Iterable[int], budget_tokens: int) -> int:
    """How many of the oldest waiting texts (``lengths`` in tokens, first in first out) the next batch takes.

    As many as fit ``budget_tokens`` together, and one at least where any waits: a text longer than the budget goes
    alone. Never skips a text, so nobody starves.
    """
    total = size = 0
    for length in lengths:
        total += length
        if size and total > budget_tokens:
            break
        size += 1
    return size


def cut_into_runs(
    lengths: Sequence[int], run_tokens: int, max_padding_share: float = MAX_PADDING_SHARE
) -> list[list[int]]:
    """Indices of ``lengths`` (tokens per text, at least 1), cut into runs that the device computes one after another.

    A run is a rectangle: its longest text times its number of texts. Each index is in exactly one run; a run is at
    most ``run_tokens`` large (a longer text is alone), at most ``max_padding_share`` of it padding. Longest first.
    """
    runs: list[list[int]] = []
    longest = filled = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        if runs:
            rectangle = longest * (len(runs[-1]) + 1)
            padding = rectangle - filled - length
            if rectangle <= run_tokens and padding <= max_padding_share * rectangle:
                runs[-1].append(index)
                filled += length
                continue
        runs.append([index])
        longest = filled = length
    return runs


def cut_into_packs(lengths: Sequence[int], run_tokens: int) -> list[list[int]]:
    """Indices of ``lengths`` in their order, cut into runs without padding of at most ``run_tokens`` together."""
    packs: list[list[int]] = []
    start = 0
    while start < len(lengths):
        size = prefix_size(lengths[start:], run_tokens)
        packs.append(list(range(start, start + size)))
        start += size
    return packs


def cut(
    lengths: Sequence[int], run_tokens: int, packs: bool, most_padding: float = MAX_PADDING_SHARE
) -> list[list[int]]:
    """The runs of a batch, for a model that packs its texts or one that pads them."""
    return cut_into_packs(lengths, run_tokens) if packs else cut_into_runs(lengths, run_tokens, most_padding)


def computed_tokens(lengths: Sequence[int], packs: bool) -> int:
    """What a run of these lengths computes, in tokens; padding included where the model does not pack."""
    return sum(lengths) if packs else max(lengths, default=0) * len(lengths)
