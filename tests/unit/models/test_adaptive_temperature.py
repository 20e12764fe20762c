"""The temperature of a text rises with the entropy of its probabilities, and is read from a model's card."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature, temperature_of_card

LOGITS = torch.tensor([[0.0, 0.0, 0.0], [30.0, 0.0, 0.0], [2.0, 1.0, -1.0]])


def test_temperature_goes_from_the_intercept_of_a_certain_answer_to_that_of_an_open_one() -> None:
    opened, certain, between = AdaptiveTemperature(-0.5, 1.2).of(LOGITS)[:, 0].tolist()
    assert opened == pytest.approx(math.exp(0.7))
    assert certain == pytest.approx(math.exp(-0.5))
    assert certain < between < opened


def test_labels_stay_as_they_are() -> None:
    logits = torch.randn(200, 3, generator=torch.Generator().manual_seed(1)) * 3
    scaled = AdaptiveTemperature(-0.8, 1.8).scaled(logits)
    assert torch.equal(scaled.argmax(dim=1), logits.argmax(dim=1))
    assert torch.equal(ONE.scaled(logits), logits)


def test_label_that_a_model_never_answers_stays_impossible() -> None:
    """Its logit is -100; entropy has no term of it."""
    [row] = AdaptiveTemperature(0.0, 1.386).scaled(torch.tensor([[0.1, -100.0, 0.0]])).softmax(dim=-1).tolist()
    assert row[1] < 1e-9
    assert not any(map(math.isnan, row))


def test_gradients_are_finite_where_a_probability_rounds_to_0() -> None:
    logits = torch.tensor([[-4.0, -200.0, 5.0]], requires_grad=True)
    AdaptiveTemperature(-0.5, 1.2).scaled(logits).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("card", "stated"),
    [
        ('{"adaptive_temperature": {"intercept": -0.5, "slope": 1}}', AdaptiveTemperature(-0.5, 1.0)),
        ('{"adaptive_temperature": {"intercept": -0.5}}', ONE),
        ('{"adaptive_temperature": {"intercept": -100, "slope": 1}}', ONE),
        ('{"adaptive_temperature": {"intercept": 0, "slope": -1}}', ONE),
        ('{"adaptive_temperature": [1]}', ONE),
        ("{}", ONE),
        ("no JSON", ONE),
    ],
)
def test_card_states_it(tmp_path: Path, card: str, stated: AdaptiveTemperature) -> None:
    (tmp_path / "card.json").write_text(card)
    assert temperature_of_card(tmp_path) == stated


def test_model_without_a_card_has_one_temperature(tmp_path: Path) -> None:
    assert temperature_of_card(tmp_path) == ONE
