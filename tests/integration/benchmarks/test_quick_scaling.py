"""The scaling benchmark runs, on the real broker and with models that cost nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.load.workload import SAMPLE, workload
from benchmarks.sections.scaling import scaling, table
from stream_app.settings import Settings
from tests.integration.scripted_program import PROGRAM


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
