"""Any sentiment classifier's labels are understood, or refused by name."""

from __future__ import annotations

import pytest

from stream_app.models.labels import columns
from stream_app.ports import ConfigurationError


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["negative", "neutral", "positive"], (0, 1, 2)),
        (["Positive", "Negative", "Neutral"], (2, 0, 1)),
        (["NEG", "POS"], (0, 2)),
        (["1 star", "2 stars", "3 stars", "4 stars", "5 stars"], (0, 0, 1, 2, 2)),
        (["Very Negative", "Negative", "Neutral", "Positive", "very_positive"], (0, 0, 1, 2, 2)),
        (["LABEL_0", "LABEL_1"], (0, 2)),
        (["LABEL_0", "LABEL_1", "LABEL_2"], (0, 1, 2)),
        (["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"], (0, 0, 1, 2, 2)),
    ],
)
def test_labels_of_known_models_are_understood(names: list[str], expected: tuple[int, ...]) -> None:
    assert columns(dict(enumerate(names))) == expected


def test_unknown_labels_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'anger', 'joy'"):
        columns({0: "joy", 1: "anger", 2: "neutral"})


def test_unnamed_labels_of_an_unusual_number_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="LABEL_3"):
        columns({index: f"LABEL_{index}" for index in range(4)})


def test_a_classifier_without_a_negative_label_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lack a negative"):
        columns({0: "neutral", 1: "positive"})
