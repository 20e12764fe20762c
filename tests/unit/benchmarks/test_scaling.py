"""The scaling benchmark: its rate and its memory are what they say."""

from __future__ import annotations

import math
import mmap
import os
from pathlib import Path

import psutil

from benchmarks.harness.process_usage import memory_of
from benchmarks.probes.scaling import rate_after


def test_rate_counts_what_came_after_all_was_published() -> None:
    """The first moment only starts the clock."""
    assert rate_after([1000, 1500, 2000, 2000, 2500, 3000], published_at_ms=1800) == 2 / 1.0
    assert math.isnan(rate_after([1000, 1500], published_at_ms=1800))


def test_memory_tells_shared_weights_from_copies(tmp_path: Path) -> None:
    """A page that was only read belongs to the file; one that was written to, to this process."""
    pages, page = 50, mmap.PAGESIZE
    file = tmp_path / "model.safetensors"
    file.write_bytes(os.urandom(pages * page))
    with file.open("rb") as content:
        weights = mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_COPY)
    for number in range(pages):
        assert weights[number * page] >= 0
    for number in range(20):
        weights[number * page] = 1

    found = memory_of([psutil.Process()])

    assert found.weights_mapped == pages * page / 1e6
    assert found.weights_private == 20 * page / 1e6
    assert found.unique < found.proportional
