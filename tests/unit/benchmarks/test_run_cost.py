"""What a run costs is found again in the seconds that it explains."""

from __future__ import annotations

import pytest

from benchmarks.probes.run_cost import fitted

_RUNS = [(10,), (100,), (400,), (50,) * 8, (100, 50), (200, 25, 25)]


def test_costs_are_found_in_what_runs_took() -> None:
    cost = fitted({run: (2 + 0.15 * sum(run) + 0.0002 * len(run) * max(run) ** 2) / 1e3 for run in _RUNS})

    assert (cost.run_ms, cost.token_ms, cost.pair_ms) == pytest.approx((2, 0.15, 0.0002))
    assert cost.worst == pytest.approx(0, abs=1e-9)


def test_run_that_costs_something_else_is_reported() -> None:
    seconds = {run: (2 + 0.15 * sum(run)) / 1e3 for run in _RUNS}

    assert fitted(seconds | {(100,): 3 * seconds[(100,)]}).worst > 0.2
