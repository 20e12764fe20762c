"""`make bench` runs, on sizes that mean nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_section_runs_and_writes_its_numbers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]

    results = orjson.loads((tmp_path / "results.json").read_bytes())
    expected = {
        "end_to_end_efficiency",
        "end_to_end_over_naive",
        "plumbing_over_bare_faust",
        "encoder_share_of_peak",
        "padding_share",
        "look_up_p99_ms",
    }
    assert expected <= results.keys()
    assert all(results[name] > 0 for name in expected - {"padding_share"})
    assert (tmp_path / "results.png").is_file()
