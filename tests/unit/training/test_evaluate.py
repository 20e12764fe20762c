"""Scores are what they are defined to be, on cases that can be counted by hand."""

from __future__ import annotations

import pytest

from stream_app.records import Label, Scores
from stream_app.testing.models import FakeClassifier
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers, score_sentiment, score_summaries


def labelled(*labels: Label) -> list[LabelledReview]:
    return [LabelledReview("", "x", label, neutral_possible=True) for label in labels]


def sure(label: Label, confidence: float = 1.0) -> Scores:
    rest = (1 - confidence) / 2
    negative, neutral, positive = (
        confidence if name == label else rest for name in ("negative", "neutral", "positive")
    )
    return Scores(negative, neutral, positive)


def test_sentiment_scores_count_predictions_by_label() -> None:
    truth = labelled("negative", "negative", "neutral", "positive")
    scores = score_sentiment(truth, [sure("negative"), sure("neutral"), sure("neutral"), sure("positive")])
    assert scores.accuracy == 0.75
    assert scores.confusion == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert scores.labels["negative"].recall == 0.5
    assert scores.labels["neutral"].precision == 0.5
    assert scores.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_macro_f1_is_taken_over_the_labels_that_occur() -> None:
    scores = score_sentiment(labelled("negative", "positive"), [sure("negative"), sure("positive")])
    assert scores.macro_f1 == 1


def test_calibration_error_is_the_distance_of_confidence_and_truth() -> None:
    truth = labelled("negative", "negative", "negative", "positive")
    scores = score_sentiment(truth, [sure("negative", 0.95)] * 4)  # right three times of four
    assert scores.calibration_error == pytest.approx(0.2)


def test_answers_come_in_the_order_of_the_texts() -> None:
    texts = ["good " + "word " * (number * 13 % 40) if number % 2 else "broken" for number in range(1200)]
    found = list(answers(FakeClassifier(), texts, micro_batch_tokens=100))
    assert [scores.positive > scores.negative for scores in found] == [bool(number % 2) for number in range(1200)]


def test_summary_words_that_the_source_lacks_are_counted() -> None:
    scores = score_summaries(
        sources=["The zip broke after two days.", "A bright lamp."],
        summaries=["The zip broke", "A purple lamp"],
        references=["The zip broke", "Bright lamp"],
    )
    assert scores.words_in_source == pytest.approx(3 / 4)  # zip, broke, lamp of zip, broke, purple, lamp
    assert scores.rouge1 == pytest.approx((1 + 2 / 5) / 2)
    assert scores.mean_words == 3
