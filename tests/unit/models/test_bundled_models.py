"""The models that the package brings: they load offline, pass their canaries and are not mere decoration."""

from __future__ import annotations

import pytest

from stream_app.models.classifier import Classifier, load_classifier
from stream_app.models.device import choose_device
from stream_app.models.summarizer import MAX_SUMMARY_TOKENS, load_summarizer


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("bundled", choose_device("cpu", "fp32"))


def test_bundled_classifier_passes_its_canary(classifier: Classifier) -> None:
    assert classifier.canary()
    assert classifier.languages == {"en"}


def test_probabilities_sum_to_one(classifier: Classifier) -> None:
    for scores in classifier.run(classifier.tokenize(["It is a kettle.", "Love it!", ""])):
        assert scores.negative + scores.neutral + scores.positive == pytest.approx(1, abs=1e-4)


def test_clear_complaint_is_more_negative_than_praise(classifier: Classifier) -> None:
    # asks little on purpose: it must hold for each set of weights that is ever shipped
    complaint, praise = classifier.run(
        classifier.tokenize(
            [
                "Terrible. It broke after two days and the shop refused a refund. Waste of money.",
                "Excellent! I love it, it works perfectly and I recommend it to everyone.",
            ]
        )
    )

    assert complaint.negative > praise.negative
    assert praise.positive > complaint.positive


def test_bundled_summarizer_answers_shortly_and_passes_its_canary() -> None:
    summarizer = load_summarizer("bundled", choose_device("cpu", "fp32"))

    [summary] = summarizer.run(summarizer.tokenize(["The lid of this kettle broke after two weeks of daily use."]))

    assert len(summary.split()) <= MAX_SUMMARY_TOKENS
    assert summarizer.canary()
