"""Makes a classifier's confidence the share of right answers: each text's logits are divided by its own temperature.

Adaptive temperature scaling by entropy, after Balanya, Maroñas and Ramos 2024, "Adaptive temperature scaling for
robust calibration of deep neural networks" (arXiv:2208.00461):

    T  =  exp(intercept + slope · H),    H  =  - Σ p ln p / ln(labels),    p  =  softmax(logits)

H is 0 where one label is certain, and 1 where all are equally probable. No label changes, only how sure it is. A slope
of 0 is one temperature for all texts (Guo et al. 2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import orjson
import torch

from stream_app.models.precisions import CARD_FILE

CARD_KEY = "adaptive_temperature"
_MOST = 5.0  # of a number that was fitted; a larger one would leave no probabilities


@dataclass(frozen=True, slots=True)
class AdaptiveTemperature:
    """The default is 1 for every text."""

    intercept: float = 0.0
    slope: float = 0.0

    def of(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the temperature [texts, 1] of each of the ``logits`` [texts, labels]."""
        of_labels = logits.log_softmax(dim=-1)  # finite, also where a probability rounds to 0
        entropy = -(of_labels.exp() * of_labels).sum(dim=-1, keepdim=True) / math.log(logits.shape[-1])
        temperature: torch.Tensor = (self.intercept + self.slope * entropy).exp()
        return temperature

    def scaled(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits [texts, labels], divided by their temperature."""
        return logits / self.of(logits)


ONE = AdaptiveTemperature()


def temperature_of_card(folder: Path) -> AdaptiveTemperature:
    """The temperature that the card of the model in ``folder`` states; 1 where it states none."""
    try:
        stated = orjson.loads((folder / CARD_FILE).read_bytes())[CARD_KEY]
        intercept, slope = float(stated["intercept"]), float(stated["slope"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return ONE
    return AdaptiveTemperature(intercept, slope) if abs(intercept) <= _MOST and 0 <= slope <= _MOST else ONE
