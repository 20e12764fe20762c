"""Compares a model's answers in lower precisions with those in fp32, on development reviews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import Console

from stream_app.models.classifier import find_classifier
from stream_app.models.device import BF16_MUST_GAIN, DeviceChoice, bf16_gain, find_device
from stream_app.models.loading import silence_libraries
from stream_app.models.selection import ModelSource
from stream_app.models.summarizer import find_summarizer
from stream_app.ports import ConfigurationError, TextModel
from stream_app.records import LABELS, Scores
from stream_app.settings import Settings
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers
from stream_app.training.progress import tracked
from stream_app.training.summary_report import summary_inputs

console = Console(stderr=True)
_MOST_SUMMARIES = 1000
_LOWER = (DeviceChoice("cpu", "int8", 1, "", "ctranslate2"), DeviceChoice("cpu", "bf16", 1, "", "torch"))
_FULL = DeviceChoice("cpu", "fp32", 1, "", "torch")


def compare_labels(model: str, reviews: Sequence[LabelledReview], threads: int = 0) -> dict[str, dict[str, Any]]:
    """By precision: the share of the reviews whose label is fp32's, and by how much accuracy fell (shares from 0 to 1).

    On a CPU; bf16 only where it has units for it. Raises ConfigurationError for a model that cannot be loaded.
    """
    silence_libraries()
    found = find_classifier(model)
    texts = [one.model_text for one in reviews]
    truth = np.array([LABELS.index(review.label) for review in reviews])
    labels = {precision: _labels(all_of) for precision, all_of in _answers(found, texts, threads)}
    full = labels.pop("fp32")
    return {
        precision: {
            "same_labels": round(float((judged == full).mean()), 4),
            "accuracy_lost": round(float((full == truth).mean() - (judged == truth).mean()), 4),
            "reviews": len(reviews),
        }
        for precision, judged in labels.items()
    }


def compare_summaries(
    model: str, reviews: Sequence[LabelledReview], classifier: TextModel[Scores], threads: int = 0
) -> dict[str, dict[str, Any]]:
    """By precision: the share of the reviews whose summary is, word for word, that of ``generate`` in fp32.

    On at most a thousand reviews. ``classifier``: decides what the model is given of them, as in a worker. Raises
    ConfigurationError for a model that cannot be loaded.
    """
    silence_libraries()
    found = find_summarizer(model)
    least = int(Settings.model_fields["summary_min_words"].default)
    texts = [one.text for one in reviews if len(one.text.split()) >= least][:_MOST_SUMMARIES]
    if not texts:
        raise ConfigurationError(f"No review has {least} words: shorter ones are their own summary.")
    judged = list(tracked(answers(classifier, texts), "labels", len(texts)))
    summaries = dict(_answers(found, summary_inputs(texts, judged, reads_label=found.reads_label), threads))
    full = summaries.pop("fp32")
    for precision, made in summaries.items():
        for before, now in [(a, b) for a, b in zip(full, made, strict=True) if a != b][:5]:
            console.print(f"{precision}: {before!r} became {now!r}", highlight=False, markup=False)
    return {
        precision: {
            "same_summaries": round(sum(a == b for a, b in zip(full, made, strict=True)) / len(full), 4),
            "reviews": len(full),
        }
        for precision, made in summaries.items()
    }


def _answers(found: ModelSource[Any], texts: Sequence[str], threads: int) -> Iterator[tuple[str, list[Any]]]:
    """(precision, the answers to the texts), fp32 first."""
    _, threads, _ = find_device("cpu", threads)
    lower = [one for one in _LOWER if one.backend in found.backends]
    if bf16_gain("cpu") < BF16_MUST_GAIN:
        lower = [one for one in lower if one.precision != "bf16"]
    for choice in (_FULL, *lower):
        model = found.on(DeviceChoice("cpu", choice.precision, threads, "", choice.backend))
        yield choice.precision, list(tracked(answers(model, texts, 1024), choice.precision, len(texts)))


def _labels(scores: Sequence[Scores]) -> np.ndarray:
    probabilities = np.array([(one.negative, one.neutral, one.positive) for one in scores])
    labels: np.ndarray = probabilities.argmax(axis=1)
    return labels
