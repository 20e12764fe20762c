"""How far a classifier's confidence is from its share of right answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BINS = 10
_THRESHOLDS = (0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers with a confidence in one tenth of [0, 1]: how many, and their mean confidence and accuracy."""

    reviews: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class SelectiveAccuracy:
    """What comes of rejecting labels of less confidence than ``threshold``; all shares from 0 to 1.

    ``coverage``: share of the labels that are kept; ``accuracy``, ``accuracy_rejected``: of these and of the others,
    None where there are none; ``wrong_rejected``: the share of the wrong labels that is rejected.
    """

    threshold: float
    coverage: float
    accuracy: float | None
    accuracy_rejected: float | None
    wrong_rejected: float | None


def selective_accuracy(confidence: np.ndarray, right: np.ndarray) -> list[SelectiveAccuracy]:
    """By rising threshold. ``right``: of each answer, whether it is right."""

    def share(of: np.ndarray) -> float | None:
        return float(of.mean()) if len(of) else None

    found = []
    for threshold in _THRESHOLDS:
        rejected = confidence < threshold
        found.append(
            SelectiveAccuracy(
                threshold,
                float((~rejected).mean()),
                share(right[~rejected]),
                share(right[rejected]),
                share(rejected[~right]),
            )
        )
    return found


def bins_of(confidence: np.ndarray, right: np.ndarray) -> list[Bin]:
    """The bins that are not empty, by rising confidence. ``right``: of each answer, whether it is right."""
    number = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    members = [number == one for one in range(_BINS)]
    return [Bin(int(of.sum()), float(confidence[of].mean()), float(right[of].mean())) for of in members if of.any()]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error (Naeini et al. 2015): mean distance of confidence and accuracy, by reviews."""
    total = sum(one.reviews for one in bins)
    return sum(one.reviews * abs(one.confidence - one.accuracy) for one in bins) / total
