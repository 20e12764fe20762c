"""Training batches have few shapes and leave nothing out."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from stream_app.training.shapes import LENGTH_STEP, batches_of_few_shapes


def rounded(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP


@given(st.lists(st.integers(1, 256), max_size=300), st.integers(0, 5))
def test_batches_hold_each_example_once_and_fit(lengths: list[int], seed: int) -> None:
    batches = batches_of_few_shapes(lengths, 1024, random.Random(seed))
    used = [index for batch in batches for index in batch]
    assert sorted(used) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= max(1, 1024 // rounded(max(lengths[index] for index in batch)))


def test_there_is_one_shape_per_rounded_length_and_a_last_batch() -> None:
    rng = random.Random(1)
    lengths = [rng.randint(1, 256) for _ in range(3000)]
    batches = batches_of_few_shapes(lengths, 2048, rng)
    shapes = {(len(batch), rounded(max(lengths[index] for index in batch))) for batch in batches}
    assert len(shapes) in (256 // LENGTH_STEP, 256 // LENGTH_STEP + 1)
