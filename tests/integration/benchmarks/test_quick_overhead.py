"""The overhead benchmark runs, with a backlog too small to mean anything and nothing installed."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.load.workload import SAMPLE, workload
from benchmarks.probes.overhead_profile import ProfilerMissing, profile, profile_table
from benchmarks.sections.overhead import BARE_FAUST, OURS, OURS_WITH_SUMMARIES, overhead, table


def test_every_way_is_timed_and_its_outputs_are_checked(kafka: str) -> None:
    found = overhead(workload(SAMPLE, 3000), kafka, repeats=1, with_frameworks=False)

    assert [variant.name for variant in found.variants] == [OURS, OURS_WITH_SUMMARIES, BARE_FAUST]
    assert all(len(variant.runs) == 1 and variant.median > 0 for variant in found.variants)
    assert found.over_bare_faust > 0
    assert found.over_frameworks == {}
    assert OURS in table(found)


@pytest.mark.skipif(shutil.which("py-spy") is None, reason="py-spy is not on the PATH, and tests bring nothing")
def test_time_of_a_review_is_divided(kafka: str) -> None:
    try:
        found = profile(workload(SAMPLE, 20_000), kafka)
    except ProfilerMissing as reason:
        pytest.skip(str(reason))  # containers may forbid ptrace

    assert sum(found.parts.values()) == pytest.approx(found.total_us)
    assert {"publish", "encode JSON"} <= found.parts.keys()
    assert "all of the process" in profile_table(found)
