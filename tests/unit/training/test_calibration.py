"""Confidence is compared with truth bin by bin."""

from __future__ import annotations

import numpy as np
import pytest

from stream_app.training.calibration import (
    Bin,
    SelectiveAccuracy,
    bins_of,
    calibration_error,
    selective_accuracy,
)


def test_bins_hold_a_tenth_of_confidence_each() -> None:
    bins = bins_of(np.array([0.41, 0.49, 0.95, 1.0]), np.array([True, False, True, True]))
    assert [(one.reviews, one.accuracy) for one in bins] == [(2, 0.5), (2, 1.0)]
    assert [one.confidence for one in bins] == pytest.approx([0.45, 0.975])


def test_calibration_error_weighs_bins_by_their_reviews() -> None:
    assert calibration_error([Bin(3, 0.5, 0.7), Bin(1, 0.9, 0.5)]) == pytest.approx((3 * 0.2 + 1 * 0.4) / 4)


def test_selective_accuracy_is_of_what_is_right_below_and_from_a_threshold_on() -> None:
    found = selective_accuracy(np.array([0.45, 0.55, 0.6, 0.9, 0.95]), np.array([False, True, False, True, True]))
    assert found[0] == SelectiveAccuracy(0.5, 0.8, 0.75, 0.0, 0.5)
    assert found[1] == SelectiveAccuracy(0.6, 0.6, 2 / 3, 0.5, 0.5)
    assert found[3] == SelectiveAccuracy(0.8, 0.4, 1.0, 1 / 3, 1.0)
    assert selective_accuracy(np.array([0.9]), np.array([True]))[0] == SelectiveAccuracy(0.5, 1.0, 1.0, None, None)
