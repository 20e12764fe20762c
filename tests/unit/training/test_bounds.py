"""A number of a report that breaks its bound is named; a bound of nothing is refused."""

from __future__ import annotations

import pytest

from stream_app.ports import ConfigurationError
from stream_app.training.bounds import broken_bounds

REPORT = {"accuracy": 0.75, "robustness": {"emoji": {"share": 0.02}}, "slices": {"domain": {"a.b": {"accuracy": 1}}}}


def test_numbers_within_their_bounds_are_not_named() -> None:
    minima, maxima = ["accuracy=0.75", "slices.domain.a.b.accuracy=0.9"], ["robustness.emoji.share=0.02"]
    assert broken_bounds(REPORT, minima, maxima) == []


def test_each_broken_bound_is_named_with_both_numbers() -> None:
    assert broken_bounds(REPORT, ["accuracy=0.8"], ["robustness.emoji.share=0.01"]) == [
        "accuracy is 0.7500, the minimum is 0.8",
        "robustness.emoji.share is 0.0200, the maximum is 0.01",
    ]


@pytest.mark.parametrize("bound", ["accuracy", "accuracy=high", "=0.8", "macro_f1=0.7", "robustness=0.7"])
def test_a_bound_of_nothing_is_refused(bound: str) -> None:
    with pytest.raises(ConfigurationError, match=r"NAME=NUMBER|has no number"):
        broken_bounds(REPORT, [bound])
