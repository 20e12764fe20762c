"""Scores models on labelled data: how often they are right, how well calibrated, how faithful to the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from stream_app.ports import TextModel
from stream_app.records import LABELS, Label, Scores
from stream_app.steps.summary_text import content_words
from stream_app.training.calibration import bins_of, calibration_error
from stream_app.training.data import LabelledReview

Result = TypeVar("Result")
_CHUNK_TEXTS = 512


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Of one label: precision, recall, F1 (0 to 1) and how many reviews have it."""

    precision: float
    recall: float
    f1: float
    reviews: int


@dataclass(frozen=True, slots=True)
class SentimentScores:
    """All scores are shares from 0 to 1. ``confusion[i][j]``: reviews of label i that were judged label j.

    ``binary_accuracy``: of the reviews that are not neutral, judged between negative and positive; None: there is none.
    """

    reviews: int
    accuracy: float
    macro_f1: float
    binary_accuracy: float | None
    calibration_error: float  # expected calibration error, 10 bins of equal width
    labels: dict[Label, LabelScores]
    confusion: list[list[int]]


def answers(model: TextModel[Result], texts: Sequence[str], micro_batch_tokens: int = 2048) -> Iterator[Result]:
    """The model's answer to each text, in order; in planned micro-batches, a few hundred texts at a time."""
    for start in range(0, len(texts), _CHUNK_TEXTS):
        tokens = model.tokenize(texts[start : start + _CHUNK_TEXTS])
        found: dict[int, Result] = {}
        for run in model.plan.cut([one.length for one in tokens], micro_batch_tokens):
            found.update(zip(run, model.run([tokens[index] for index in run]), strict=True))
        yield from (found[index] for index in range(len(tokens)))


def score_sentiment(reviews: Sequence[LabelledReview], scores: Sequence[Scores]) -> SentimentScores:
    """How well ``scores`` meet the labels of ``reviews``. Both of the same length, at least 1."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    truth = np.array([LABELS.index(review.label) for review in reviews])
    probabilities = probabilities_of(scores)
    judged = probabilities.argmax(axis=1)
    order = range(len(LABELS))
    precision, recall, f1, support = precision_recall_fscore_support(truth, judged, labels=order, zero_division=0)
    present = support > 0
    return SentimentScores(
        reviews=len(truth),
        accuracy=float((truth == judged).mean()),
        macro_f1=float(f1[present].mean()),
        binary_accuracy=_binary_accuracy(truth, probabilities),
        calibration_error=calibration_error(bins_of(probabilities.max(axis=1), truth == judged)),
        labels={
            label: LabelScores(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, label in enumerate(LABELS)
        },
        confusion=confusion_matrix(truth, judged, labels=order).tolist(),
    )


def probabilities_of(scores: Sequence[Scores]) -> np.ndarray:
    """[texts, LABELS]."""
    return np.array([(one.negative, one.neutral, one.positive) for one in scores]).reshape(-1, len(LABELS))


def labels_of(scores: Sequence[Scores]) -> list[Label]:
    """The most likely label of each."""
    return [LABELS[index] for index in probabilities_of(scores).argmax(axis=1)]


def _binary_accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    negative, neutral, positive = range(len(LABELS))
    clear = truth != neutral
    if not clear.any():
        return None
    is_positive = probabilities[:, positive] > probabilities[:, negative]
    return float(((truth == positive) == is_positive)[clear].mean())


@dataclass(frozen=True, slots=True)
class SummaryScores:
    """ROUGE F1 against the references (with stemmer), and the share of the summaries' content words that their source
    has: the rest was made up. All shares from 0 to 1.
    """

    summaries: int
    rouge1: float
    rouge2: float
    rouge_l: float
    words_in_source: float
    mean_words: float


def score_summaries(sources: Sequence[str], summaries: Sequence[str], references: Sequence[str]) -> SummaryScores:
    """Scores of ``summaries``, each against its reference and its source. All of the same length, at least 1."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    rouge = [scorer.score(reference, summary) for reference, summary in zip(references, summaries, strict=True)]
    found = total = 0
    for source, summary in zip(sources, summaries, strict=True):
        words = content_words(summary)
        total += len(words)
        found += len(words & content_words(source))
    return SummaryScores(
        summaries=len(summaries),
        rouge1=float(np.mean([one["rouge1"].fmeasure for one in rouge])),
        rouge2=float(np.mean([one["rouge2"].fmeasure for one in rouge])),
        rouge_l=float(np.mean([one["rougeL"].fmeasure for one in rouge])),
        words_in_source=found / total if total else 1.0,
        mean_words=float(np.mean([len(summary.split()) for summary in summaries])),
    )
