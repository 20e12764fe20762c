"""What sentences cost is compared round by round, and what is found is counted."""

from __future__ import annotations

import pytest

from benchmarks.probes.hazards import found_at
from benchmarks.probes.sentences import WITH, WITHOUT, in_turns


def test_variants_take_turns_and_rounds_are_compared() -> None:
    """A machine that gets slower slows both of a round, so the median stays."""
    order: list[str] = []
    slowness = iter([1, 1, 1, 1, 9, 9])

    def variant(name: str, seconds: float) -> float:
        order.append(name)
        return seconds * next(slowness)

    cost = in_turns({WITH: lambda: variant(WITH, 1.1), WITHOUT: lambda: variant(WITHOUT, 1.0)}, 3)

    assert order == [WITH, WITHOUT, WITHOUT, WITH, WITH, WITHOUT]
    assert cost.share == pytest.approx(0.1)
    assert "+10.0% time" in cost.line(100)


def test_a_text_is_found_from_the_threshold() -> None:
    found = found_at(0.5, [0.5, 0.49, 0.9, 0.8], [True, True, False, True])
    assert (found.right, found.wrong, found.missed) == (2, 1, 1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
