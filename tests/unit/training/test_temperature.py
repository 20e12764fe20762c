"""The temperature of the least loss is found, and can be taken back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature
from stream_app.records import LABELS
from stream_app.training.calibration import bins_of, calibration_error
from stream_app.training.data import LabelledReview
from stream_app.training.temperature import fitted_temperature, without_temperature

TRUE = AdaptiveTemperature(-0.5, 1.2)


def drawn(count: int, seed: int = 1) -> tuple[list[LabelledReview], np.ndarray]:
    """Reviews labelled as ``TRUE`` says that labels are, and the probabilities before it."""
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(size=(count, 3)) * 1.5)
    true = TRUE.scaled(logits).softmax(dim=-1).numpy()
    labels = [LABELS[random.choice(3, p=row / row.sum())] for row in true]
    return [LabelledReview("", "text", label, True) for label in labels], logits.softmax(dim=-1).numpy()


def error(reviews: list[LabelledReview], probabilities: np.ndarray) -> float:
    right = probabilities.argmax(axis=1) == [LABELS.index(one.label) for one in reviews]
    return calibration_error(bins_of(probabilities.max(axis=1), right))


def scaled(probabilities: np.ndarray, temperature: AdaptiveTemperature) -> np.ndarray:
    logits = torch.from_numpy(np.log(np.clip(probabilities, 1e-30, 1.0)))
    found: np.ndarray = temperature.scaled(logits).softmax(dim=-1).numpy()
    return found


def test_confidence_of_other_reviews_becomes_the_share_of_right_answers() -> None:
    found = fitted_temperature(*drawn(2000))
    assert found is not None
    assert found.intercept == pytest.approx(TRUE.intercept, abs=0.25)
    assert found.slope == pytest.approx(TRUE.slope, abs=0.35)
    reviews, probabilities = drawn(4000, seed=2)
    assert error(reviews, probabilities) > 0.04
    assert error(reviews, scaled(probabilities, found)) < 0.02


def test_reviews_of_a_label_that_is_never_answered_are_left_out() -> None:
    """A model of two labels: reviews that people call neutral say nothing of how sure it is of the two."""
    random = np.random.default_rng(3)
    positive = random.uniform(0.05, 0.95, size=400)
    probabilities = np.stack([1 - positive, np.zeros(400), positive], axis=1)
    labels = [LABELS[2] if one < of else LABELS[0] for one, of in zip(random.random(400), positive, strict=True)]
    reviews = [LabelledReview("", "text", label, True) for label in labels]
    neutral = [LabelledReview("", "text", "neutral", True)] * 40
    expected = fitted_temperature(reviews, probabilities)
    assert expected is not None
    assert fitted_temperature([*reviews, *neutral], np.concatenate([probabilities, probabilities[:40]])) == expected
    assert fitted_temperature(reviews[:10] + neutral, probabilities[:50]) is None


def test_few_reviews_give_one_temperature_for_all() -> None:
    found = fitted_temperature(*drawn(100))
    assert found is not None
    assert found.slope == 0
    assert fitted_temperature(*drawn(40)) is None


def test_probabilities_before_a_temperature_are_found() -> None:
    _, before = drawn(300)
    before[0, 1] = 0.0  # a model that never answers neutral
    before[0] /= before[0].sum()
    for temperature in (TRUE, AdaptiveTemperature(0.5, 0.0), AdaptiveTemperature(-1.3, 2.6), ONE):
        assert without_temperature(scaled(before, temperature), temperature) == pytest.approx(before, abs=1e-6)
