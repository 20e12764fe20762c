"""Fits a classifier's temperature, so that its confidence is the share of right answers, and takes it back.

The fit has the least negative log-likelihood on reviews that were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from stream_app.models.adaptive_temperature import AdaptiveTemperature
from stream_app.ports import ConfigurationError, TextModel
from stream_app.records import LABELS, Scores
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers, probabilities_of
from stream_app.training.progress import tracked

_INTERCEPTS = np.arange(-28, 29) / 20
_SLOPES = np.arange(0, 57) / 20
_COLDEST, _HOTTEST = np.log(0.25), np.log(4.0)
LEAST_REVIEWS = 50
_LEAST_FOR_A_SLOPE = 200  # reviews; of fewer, one temperature for all is fitted
_HALVINGS = 50
_NEVER = 1e-6  # a label whose probability is nowhere more is none that the model answers


def fitted_temperature(reviews: Sequence[LabelledReview], probabilities: np.ndarray) -> AdaptiveTemperature | None:
    """The best of temperatures from 0.25 to 4, none of which falls as answers become less sure.

    Reviews of a label that the model never answers are left out. Fewer than LEAST_REVIEWS others have none.
    ``probabilities``: [reviews, labels], of the same reviews, at temperature 1.
    """
    labels = np.array([LABELS.index(one.label) for one in reviews], dtype=int)
    answered = probabilities.max(axis=0, initial=0.0) > _NEVER
    labels, probabilities = labels[answered[labels]], probabilities[answered[labels]]
    if len(labels) < LEAST_REVIEWS:
        return None
    logits = np.log(np.clip(probabilities, 1e-9, 1.0))
    entropy = -(probabilities * logits).sum(axis=1) / np.log(len(LABELS))

    def loss(intercept: float, slope: float) -> float:
        scaled = logits / np.exp(intercept + slope * entropy)[:, None]
        of_right = scaled[np.arange(len(labels)), labels]
        return float((np.logaddexp.reduce(scaled, axis=1) - of_right).mean())

    slopes = _SLOPES if len(labels) >= _LEAST_FOR_A_SLOPE else _SLOPES[:1]
    tried = [
        (float(intercept), float(slope))
        for intercept in _INTERCEPTS
        for slope in slopes
        if intercept >= _COLDEST and intercept + slope <= _HOTTEST
    ]
    return AdaptiveTemperature(*min(tried, key=lambda one: loss(*one)))


def temperature_for(
    model: TextModel[Scores], reviews: Sequence[LabelledReview], now: AdaptiveTemperature
) -> AdaptiveTemperature:
    """The best temperature on these reviews. ``now``: the one that the model's answers have.

    Raises ConfigurationError where the reviews are too few.
    """
    least = f"A temperature is fitted to at least {LEAST_REVIEWS} reviews"
    if len(reviews) < LEAST_REVIEWS:  # before the model reads them
        raise ConfigurationError(f"{least}; here are {len(reviews)}.")
    texts = [one.model_text for one in reviews]
    found = list(tracked(answers(model, texts), "reviews", len(texts)))
    fitted = fitted_temperature(reviews, without_temperature(probabilities_of(found), now))
    if fitted is None:
        raise ConfigurationError(f"{least} of the labels that the model answers; fewer of these {len(reviews)} are.")
    return fitted


def without_temperature(probabilities: np.ndarray, temperature: AdaptiveTemperature) -> np.ndarray:
    """The probabilities [reviews, labels] as they were before ``temperature``, whose slope is not negative.

    They are softmax(t · ln p) for the one t that is the temperature of its own logits; it is found by halving.
    """
    logits = torch.from_numpy(np.log(np.clip(probabilities, 1e-12, 1.0)))
    low, high = torch.zeros(len(logits), 1, dtype=logits.dtype), torch.full((len(logits), 1), 10.0, dtype=logits.dtype)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_low = middle < temperature.of(middle * logits)
        low, high = torch.where(is_low, middle, low), torch.where(is_low, high, middle)
    before: np.ndarray = (high * logits).softmax(dim=-1).numpy()
    return before
