"""Fits the temperature that divides a classifier's logits, so that its confidence is the share of right answers.

Guo et al. 2017, "On calibration of modern neural networks": the temperature with the least negative log-likelihood on
reviews that were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_app.records import LABELS, Scores
from stream_app.training.data import LabelledReview

_TRIED = np.geomspace(0.5, 4.0, 200)


def fitted_temperature(reviews: Sequence[LabelledReview], scores: Sequence[Scores]) -> float:
    """The best of 200 temperatures from 0.5 to 4. ``scores``: of the same reviews, at temperature 1. No review: 1."""
    if not reviews:
        return 1.0
    labels = np.array([LABELS.index(one.label) for one in reviews])
    logits = np.log(np.clip([(one.negative, one.neutral, one.positive) for one in scores], 1e-9, 1.0))

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        of_right = scaled[np.arange(len(labels)), labels]
        return float((np.logaddexp.reduce(scaled, axis=1) - of_right).mean())

    return float(min(_TRIED, key=loss))
