"""Integrated gradients: what each token of a text adds to the log-odds of a classifier's label.

Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks" (arXiv:1703.01365), equation 1, summed over
the width of the embedding:

    attribution of token i  =  (x_i - b_i) · ∫ ∂F(b + a (x - b)) / ∂x_i da,  a from 0 to 1

    x  the embeddings of the tokens          b  the baseline: the same with a blank in the place of each token
    F  ln(P / (1 - P)), P: the label's calibrated probability

Proposition 1, completeness: the attributions sum to F(x) - F(b). The integral is the mean at the midpoints of equal
steps, of more steps until that holds. Log-odds, since a probability near 1 hardly moves: a sure label would have no
reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature
from stream_app.models.multitask import MultiTaskBert

STEPS = (16, 32, 64, 128)
"""From the baseline to the text: the next number where a smaller one leaves a larger error than TOLERANCE."""
TOLERANCE = 0.05
"""Of the sum of the attributions from F(x) - F(b), in log-odds: it changes a probability by 0.0125 at most."""
_TOKENS_AT_A_TIME = 512


class GivenUp(Exception):
    """Whoever asked does not wait any longer."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """``of_tokens``: one per token, 0 of special ones. ``of_text``, ``of_baseline``: F."""

    of_tokens: Sequence[float]
    of_text: float
    of_baseline: float

    @property
    def error(self) -> float:
        """How far completeness is missed, in log-odds."""
        return sum(self.of_tokens) - (self.of_text - self.of_baseline)

    @property
    def is_complete(self) -> bool:
        return abs(self.error) <= TOLERANCE


def attribute(
    model: Any,
    ids: Sequence[int],
    baseline_ids: Sequence[int],
    outputs: Sequence[bool],
    gives_up: Callable[[], bool] = lambda: False,
    temperature: AdaptiveTemperature = ONE,
) -> Attribution:
    """Attributions of one text by a ...ForSequenceClassification in fp32, whose parameters need no gradients.

    ``baseline_ids``: as many as ``ids``; special tokens are in both. ``outputs``: which outputs of the model mean the
    label, at least one, not all. ``temperature``: of its logits. Raises GivenUp.
    """
    embedding = model.get_input_embeddings()
    chosen = torch.tensor(list(outputs))

    def log_odds(embedded: torch.Tensor) -> torch.Tensor:
        return _log_odds(temperature.scaled(_logits(model, embedded)), chosen)

    with torch.no_grad():
        text, baseline = embedding(torch.tensor(ids)), embedding(torch.tensor(baseline_ids))
        of_text, of_baseline = log_odds(torch.stack([text, baseline])).tolist()
    found = Attribution([0.0] * len(ids), of_text, of_baseline)
    for steps in STEPS:
        gradient = _mean_gradient(log_odds, baseline, text, steps, gives_up)
        found = Attribution(((text - baseline) * gradient).sum(dim=-1).tolist(), of_text, of_baseline)
        if found.is_complete:
            break
    return found


def _mean_gradient(
    log_odds: Callable[[torch.Tensor], torch.Tensor],
    baseline: torch.Tensor,
    text: torch.Tensor,
    steps: int,
    gives_up: Callable[[], bool],
) -> torch.Tensor:
    """∫ ∂F(b + a (x - b)) / ∂x da, [tokens, width]."""
    midpoints = (torch.arange(steps) + 0.5) / steps
    total = torch.zeros_like(text)
    for some in torch.split(midpoints, max(1, _TOKENS_AT_A_TIME // len(text))):
        if gives_up():
            raise GivenUp
        embedded = (baseline + some[:, None, None] * (text - baseline)).requires_grad_(True)
        [gradient] = torch.autograd.grad(log_odds(embedded).sum(), embedded)
        total += gradient.sum(dim=0)
    return total / steps


def _logits(model: Any, embedded: torch.Tensor) -> torch.Tensor:
    """[texts, outputs] of the texts in ``embedded`` [texts, tokens, width]."""
    mask = torch.ones(embedded.shape[:2], dtype=torch.long)
    if isinstance(model, MultiTaskBert):  # its forward takes token ids alone
        logits: torch.Tensor = model.classifier(model.bert(inputs_embeds=embedded, attention_mask=mask).pooler_output)
    else:
        logits = model(inputs_embeds=embedded, attention_mask=mask).logits
    return logits


def _log_odds(logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """F of each text."""
    log_odds: torch.Tensor = logits[:, chosen].logsumexp(dim=-1) - logits[:, ~chosen].logsumexp(dim=-1)
    return log_odds
