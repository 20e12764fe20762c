"""Integrated gradients hold what their axioms promise, on functions whose attributions are known and on a real BERT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from stream_app.models.adaptive_temperature import AdaptiveTemperature
from stream_app.models.attribution import STEPS, TOLERANCE, GivenUp, attribute
from stream_app.models.classifier import find_classifier

TEMPERATURE = AdaptiveTemperature(-0.2, 1.0)


class Stub(nn.Module):
    """Two outputs, 0 and ``of(sum of the embeddings)``; token n is embedded as n."""

    def __init__(self, of: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(torch.arange(10.0)[:, None])
        self.of = of
        self.texts = 0

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        assert inputs_embeds.shape[:2] == attention_mask.shape
        self.texts += len(inputs_embeds)
        value = self.of(inputs_embeds.sum(dim=(1, 2)))
        return SimpleNamespace(logits=torch.stack([torch.zeros_like(value), value], dim=1))


def test_of_a_linear_function_each_token_gets_what_it_adds() -> None:
    """From its baseline; what stands in both, as special tokens do, adds nothing."""
    found = attribute(Stub(lambda total: 2 * total), [9, 3, 5, 9], [9, 1, 1, 9], [False, True])

    assert found.of_tokens == pytest.approx([0, 4, 8, 0])
    assert (found.of_text, found.of_baseline) == (52, 40)
    assert found.is_complete


def test_log_odds_of_a_label_with_several_outputs_are_of_their_sum() -> None:
    """Four and five stars are positive."""

    class Stars(Stub):
        def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            total = inputs_embeds.sum(dim=(1, 2))
            return SimpleNamespace(logits=torch.stack([total * 0, total, total], dim=1))

    found = attribute(Stars(lambda total: total), [1], [0], [False, True, True])

    probability = 2 * torch.e / (1 + 2 * torch.e)
    assert found.of_text == pytest.approx(float(torch.logit(torch.tensor(probability))), abs=1e-5)


def test_log_odds_are_those_of_the_calibrated_probability() -> None:
    """And the gradients of a label that is impossible are no obstacle: its logit is -100."""

    class NeverNeutral(Stub):
        def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            total = inputs_embeds.sum(dim=(1, 2))
            return SimpleNamespace(logits=torch.stack([total * 0, total * 0 - 100, total], dim=1))

    found = attribute(NeverNeutral(lambda total: total), [9], [0], [False, False, True], temperature=TEMPERATURE)
    scaled = TEMPERATURE.scaled(torch.tensor([[0.0, -100.0, 9.0]])).softmax(dim=-1)
    assert found.of_text == pytest.approx(float(torch.logit(scaled[0, 2].double())), abs=1e-3)
    assert found.of_tokens[0] == pytest.approx(found.of_text - found.of_baseline, abs=TOLERANCE)


def test_more_steps_are_taken_until_the_sum_is_right() -> None:
    smooth, steep = Stub(lambda total: total), Stub(lambda total: 3 * torch.tanh(5 * (total - 3.3)))
    for one in (smooth, steep):
        assert attribute(one, [9], [0], [False, True]).is_complete

    assert smooth.texts == 2 + STEPS[0]
    assert steep.texts > 2 + STEPS[0]


def test_attributions_that_miss_the_difference_say_so() -> None:
    """A jump between two midpoints: none sees it."""
    found = attribute(Stub(lambda total: torch.sigmoid(1e6 * (total - 4.4321))), [9], [0], [False, True])

    assert not found.is_complete
    assert abs(found.error) > TOLERANCE


def test_computation_ends_when_nobody_waits() -> None:
    model = Stub(lambda total: total)

    with pytest.raises(GivenUp):
        attribute(model, [9], [0], [False, True], lambda: True)
    assert model.texts == 2


@pytest.mark.parametrize("label", [0, 1, 2])
def test_attributions_of_a_bert_sum_to_the_difference(
    classifier_folder: Callable[[dict[int, str]], Path], label: int
) -> None:
    found = find_classifier(str(classifier_folder({0: "negative", 1: "neutral", 2: "positive"})))
    found.model.requires_grad_(False)
    [tokens] = found.text_tokenizer()(["the zip broke after two days"])
    ids: Any = tokens
    baseline = [0] * (ids.length - 1) + [ids.ids[-1]]

    result = attribute(found.model, ids.ids, baseline, [one == label for one in range(3)])

    assert result.is_complete
    assert sum(result.of_tokens) == pytest.approx(result.of_text - result.of_baseline, abs=TOLERANCE)
    assert result.of_tokens[-1] == 0
    assert sum(map(abs, result.of_tokens)) > 0
