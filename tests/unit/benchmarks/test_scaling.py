"""The scaling benchmark: it runs on the real broker, and its rate and its memory are what they say."""

from __future__ import annotations

import math
import mmap
import os
from pathlib import Path

import psutil
import pytest

from benchmarks.process_memory import memory_of
from benchmarks.scaling import _rate, scaling, table
from benchmarks.workload import SAMPLE, workload
from stream_app.settings import Settings
from tests.integration.ruled_program import PROGRAM


@pytest.mark.timeout(200)
def test_scaling_is_measured_with_one_and_with_two_processes(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With models that cost nothing: both processes work, and each run has a rate, its CPU time and its memory."""
    monkeypatch.setenv("TROUBLES", str(tmp_path / "troubles"))
    settings = Settings(_env_file=None, brokers=kafka)

    found = scaling(workload(SAMPLE, 1000), settings, processes=(1, 2), repeats=1, models=("BERT",), program=PROGRAM)

    assert [(row.models, row.processes, len(row.runs)) for row in found.rows] == [
        ("BERT", 1, 1),
        ("BERT", 2, 1),
    ]
    one, two = (row.runs[0] for row in found.rows)
    assert one.reviews_per_second > 0
    assert two.reviews_per_second > 0
    assert one.cpu_ms_per_review > 0
    assert one.largest_share == 1
    assert 0.5 <= two.largest_share < 0.6
    assert 0 < one.memory.unique <= one.memory.proportional < two.memory.proportional
    assert table(found).row_count == 2


def test_rate_counts_what_came_after_all_was_published() -> None:
    """The first moment only starts the clock."""
    assert _rate([1000, 1500, 2000, 2000, 2500, 3000], published_at_ms=1800) == 2 / 1.0
    assert math.isnan(_rate([1000, 1500], published_at_ms=1800))


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
