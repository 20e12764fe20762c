"""Evaluates a classifier on labelled reviews: scores, calibration, parts of the data, robustness and fairness."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature
from stream_app.ports import TextModel
from stream_app.records import Scores
from stream_app.training.calibration import bins_of, calibration_error, selective_accuracy
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers, labels_of, probabilities_of, score_sentiment
from stream_app.training.fairness import gender_swapped, identity_sets, score_templates
from stream_app.training.negations import negation_pairs, score_negations
from stream_app.training.progress import tracked
from stream_app.training.robustness import robustness
from stream_app.training.slices import slices
from stream_app.training.temperature import without_temperature


def evaluate_reviews(
    model: TextModel[Scores], reviews: Sequence[LabelledReview], temperature: AdaptiveTemperature = ONE
) -> tuple[dict[str, Any], list[Scores]]:
    """The numbers of `report.json` that need nothing but the model's answers to the reviews, and these answers.

    ``temperature``: what the model's logits were divided by.
    """
    texts = [one.model_text for one in reviews]
    scores = list(tracked(answers(model, texts), "reviews", len(texts)))
    probabilities = probabilities_of(scores)
    right = np.array([label == review.label for label, review in zip(labels_of(scores), reviews, strict=True)])
    confidence = probabilities.max(axis=1)
    calibration: dict[str, Any] = {
        "bins": bins_of(confidence, right),
        "selective_accuracy": selective_accuracy(confidence, right),
    }
    if temperature != ONE:
        before = without_temperature(probabilities, temperature).max(axis=1)
        calibration |= {
            "temperature": asdict(temperature),
            "error_before_temperature": calibration_error(bins_of(before, right)),
        }
    return {**asdict(score_sentiment(reviews, scores)), "calibration": calibration}, scores


def evaluate_changes(
    model: TextModel[Scores], reviews: Sequence[LabelledReview], scores: Sequence[Scores], *, seed: int, most: int
) -> dict[str, Any]:
    """The other numbers: parts of the reviews, and what changed texts change.

    ``scores``: the answers to ``reviews``. At most ``most`` of these, drawn by ``seed``, are changed.
    """
    labels = labels_of(scores)
    drawn = sorted(random.Random(seed).sample(range(len(reviews)), min(most, len(reviews))))
    some, before = [reviews[at] for at in drawn], [labels[at] for at in drawn]
    return {
        "slices": slices(reviews, scores),
        "robustness": robustness(model, some, before, seed),
        "negation": score_negations(model, negation_pairs()),
        "fairness": {
            "gender_swapped_in_reviews": gender_swapped(model, some, before),
            **score_templates(model, identity_sets()),
        },
    }
