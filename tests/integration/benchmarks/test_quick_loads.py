"""The latency and look-up benchmarks run, on real servers and with loads too small to mean anything."""

from __future__ import annotations

import pytest

from benchmarks.sections import latency, look_ups


def test_look_ups_are_measured_in_every_variant() -> None:
    """One summary, with concurrent writes, unchanged, many at once, and the ladder; every request is answered."""
    found = look_ups.look_ups(products=20, reviews=300, rate=100, seconds=0.5, connections=4, ladder=(50, 100), seed=1)

    assert [run.name for run in found.runs] == [
        look_ups.FIRST,
        look_ups.NOTHING,
        "one summary",
        "one summary, reviews applied meanwhile",
        "unchanged (304)",
        "20 summaries at once",
    ]
    for run in (*found.runs, *found.ladder):
        assert run.answers.errors == 0, run
        assert run.answers.latency_ms.count == run.answers.asked > 0, run
    assert set(found.run("unchanged (304)").answers.statuses) == {"304"}
    assert [run.rate for run in found.ladder] == [50, 100]
    assert found.store_read_ms.count > 0
    assert "| one summary | 100 |" in look_ups.table(found)


@pytest.mark.alone
def test_latency_at_a_share_of_capacity_is_measured(kafka: str) -> None:
    """Every review is enriched, every alarming one has its alert, and the queue was watched meanwhile."""
    found = latency.latency(kafka, seconds=2, backlog=200, shares=(0.5,), overload=False)
    load = found.load(0.5)

    assert load.missing == load.unexpected == 0, load
    assert load.enriched_ms.count == load.sent == load.late_ms.count > 0, load
    assert load.peak_rss_bytes > 0
    assert load.device_busy.keys() == {"sentiment", "summary"}
    assert "| 50% of capacity |" in latency.table(found)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_latency_with_t5_overloaded_is_compared_with_a_worker_without_it(kafka: str) -> None:
    """The same reviews at the same times on both."""
    found = latency.latency(kafka, seconds=2, backlog=100, shares=(1.2,))
    overload = found.overload

    assert overload is not None
    assert (overload.with_t5.summaries, overload.without_t5.summaries) == ("best_effort", "off")
    assert overload.without_t5.device_busy.keys() == {"sentiment"}
    for load in (*found.loads, overload.with_t5, overload.without_t5):
        assert load.missing == load.unexpected == 0, load
        assert load.enriched_ms.count == load.sent == load.late_ms.count > 0, load
    assert overload.with_t5.sent == overload.without_t5.sent
    assert "the same without T5" in latency.table(found)
