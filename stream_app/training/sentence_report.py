"""Evaluates a multi-task classifier on labelled sentences: hazards, polarity, and aspects against their keywords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stream_app.models.multitask import HAZARD
from stream_app.models.sentence_heads import ASPECT_THRESHOLD, NAMED_ASPECT_THRESHOLD
from stream_app.records import LABELS
from stream_app.steps.aspects import Aspect
from stream_app.steps.aspects.keywords import aspects_by_keyword
from stream_app.training.batches import UNKNOWN
from stream_app.training.report import table
from stream_app.training.sentence_scores import SentencePredictions

_THRESHOLDS = (10, 30, 50, 70, 90)  # percent


def sentence_report(predicted: SentencePredictions, aspects: Sequence[Aspect], language: str) -> dict[str, Any]:
    """Of each task that some sentence is labelled for: its scores, shares from 0 to 1.

    ``aspects``: those that the model was asked for, in its order. ``language``: of their keywords.
    """
    found = {
        "hazard": _hazard(predicted),
        "polarity": _polarity(predicted),
        "aspects": _aspects(predicted, aspects, language),
    }
    return {name: scores for name, scores in found.items() if scores}


def sections(name: str, of: Mapping[str, Any]) -> list[str]:
    """The report of one file for people, from its JSON objects."""
    written = [f"## {name}"]
    if hazard := of.get("hazard"):
        written += [
            f"### Hazard\n\n{hazard['sentences']:,} sentences, {hazard['hazards']:,} of them hazards.",
            table(
                ["threshold (%)", "precision", "recall", "F1"],
                [[one, row["precision"], row["recall"], row["f1"]] for one, row in hazard["at_percent"].items()],
            ),
        ]
    if polarity := of.get("polarity"):
        written += [
            f"### Polarity\n\n{polarity['sentences']:,} sentences: accuracy {polarity['accuracy']:.3f}, macro-F1 "
            f"{polarity['macro_f1']:.3f}"
            + ("." if polarity["three_sided"] else ", between negative and positive: no sentence is labelled neutral."),
            _scored_rows("label", polarity["labels"]),
        ]
    if aspects := of.get("aspects"):
        rows = {"model": "model alone", "keywords": "keywords alone", "together": "both, as enrich uses them"}
        written += [
            f"### Aspects\n\n{aspects['sentences']:,} sentences, micro-averaged. An aspect that the file does not "
            "label in its domain counts as wrong, for the model and for the keywords alike. By aspect: of both.",
            table(
                ["", "precision", "recall", "F1"],
                [
                    [words, *(aspects[one][score] for score in ("precision", "recall", "f1"))]
                    for one, words in rows.items()
                ],
            ),
            f"F1 of both less that of keywords alone: {aspects['gain']:+.3f}.",
            _scored_rows("aspect", aspects["by_aspect"]),
        ]
    return written


def _hazard(predicted: SentencePredictions) -> dict[str, Any]:
    known = predicted.truth["hazard_weight"] == 1
    if not known.any():
        return {}
    truth = predicted.truth["hazard"][known] > 0
    probability = 1 / (1 + np.exp(-predicted.logits[known, HAZARD]))
    return {
        "sentences": int(known.sum()),
        "hazards": int(truth.sum()),
        "at_percent": {f"{one}": _scored(100 * probability > one, truth) for one in _THRESHOLDS},
    }


def _polarity(predicted: SentencePredictions) -> dict[str, Any]:
    known = predicted.truth["span_labels"] != UNKNOWN
    if not known.any():
        return {}
    logits, labels = predicted.logits[known, : len(LABELS)].copy(), predicted.truth["span_labels"][known]
    logits[predicted.truth["span_two_sided"][known], LABELS.index("neutral")] = -np.inf
    judged = logits.argmax(axis=1)
    by_label = {label: _scored(judged == at, labels == at) for at, label in enumerate(LABELS) if (labels == at).any()}
    return {
        "sentences": int(known.sum()),
        "three_sided": "neutral" in by_label,
        "accuracy": float((judged == labels).mean()),
        "macro_f1": float(np.mean([one["f1"] for one in by_label.values()])),
        "labels": by_label,
    }


def _aspects(predicted: SentencePredictions, aspects: Sequence[Aspect], language: str) -> dict[str, Any]:
    known = predicted.truth["aspects_weight"] == 1
    if not known.any():
        return {}
    truth = predicted.truth["aspects"][known] > 0
    judged = predicted.aspects[known] > ASPECT_THRESHOLD
    texts = [one.text for one, is_known in zip(predicted.sentences, known, strict=True) if is_known]
    spoken = [set(aspects_by_keyword(text, language, aspects)) for text in texts]
    by_keyword = np.array([[aspect.id in ids for aspect in aspects] for ids in spoken])
    model, keywords = _scored(judged, truth), _scored(by_keyword, truth)
    together = judged | (by_keyword & (predicted.aspects[known] > NAMED_ASPECT_THRESHOLD))
    return {
        "sentences": int(known.sum()),
        "model": model,
        "keywords": keywords,
        "together": (both := _scored(together, truth)),
        "gain": both["f1"] - keywords["f1"],
        "by_aspect": {
            aspect.id: _scored(together[:, at], truth[:, at]) for at, aspect in enumerate(aspects) if truth[:, at].any()
        },
    }


def _scored(judged: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """``of``: how many are true."""
    right, found, there = float((judged & truth).sum()), float(judged.sum()), float(truth.sum())
    return {
        "precision": right / found if found else 0.0,
        "recall": right / there if there else 0.0,
        "f1": 2 * right / (found + there) if right else 0.0,
        "of": int(there),
    }


def _scored_rows(what: str, scores: Mapping[str, Any]) -> str:
    return table(
        [what, "precision", "recall", "F1", "sentences"],
        [[name, of["precision"], of["recall"], of["f1"], of["of"]] for name, of in scores.items()],
    )
