"""Sentence scores are what they are defined to be, on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stream_app.records import Label
from stream_app.steps.aspects import load_aspects
from stream_app.training.examples import LabelledSentence
from stream_app.training.sentence_report import sections, sentence_report
from stream_app.training.sentence_scores import SentencePredictions

ASPECTS = [aspect for aspect in load_aspects() if aspect.id in ("durability", "value")]
DURABILITY = [aspect.id for aspect in ASPECTS].index("durability")


def predicted(
    sentences: list[LabelledSentence],
    logits: list[list[float]] | None = None,
    aspects: list[list[float]] | None = None,
) -> SentencePredictions:
    labels: list[Label] = ["negative", "neutral", "positive"]
    truth = {
        "span_labels": np.array([-100 if one.label is None else labels.index(one.label) for one in sentences]),
        "span_two_sided": np.array([not one.neutral_possible for one in sentences]),
        "hazard": np.array([float(one.hazard or False) for one in sentences]),
        "hazard_weight": np.array([0.0 if one.hazard is None else one.hazard_weight for one in sentences]),
        "aspects": np.array([[float(aspect.id in (one.aspects or ())) for aspect in ASPECTS] for one in sentences]),
        "aspects_weight": np.array([0.0 if one.aspects is None else 1.0 for one in sentences]),
    }
    return SentencePredictions(
        sentences,
        np.array(logits or [[0.0] * 4] * len(sentences), dtype=float),
        np.array(aspects or [[0.0, 0.0]] * len(sentences)),
        truth,
    )


def test_hazards_are_counted_at_each_threshold() -> None:
    sentences = [LabelledSentence("x", hazard=hazard) for hazard in (True, True, False)]
    report = sentence_report(predicted(sentences, [[0, 0, 0, 3.0], [0, 0, 0, -1.0], [0, 0, 0, 0.5]]), ASPECTS, "en")
    assert list(report) == ["hazard"]
    assert report["hazard"]["hazards"] == 2
    at = report["hazard"]["at_percent"]
    assert (at["50"]["precision"], at["50"]["recall"]) == (0.5, 0.5)
    assert (at["90"]["precision"], at["90"]["recall"]) == (1.0, 0.5)
    assert (at["10"]["precision"], at["10"]["recall"]) == (pytest.approx(2 / 3), 1.0)


def test_weak_labels_are_not_scored() -> None:
    assert sentence_report(predicted([LabelledSentence("x", hazard=True, hazard_weight=0.3)]), ASPECTS, "en") == {}


def test_sentences_of_a_two_sided_file_are_never_judged_neutral() -> None:
    sentences = [LabelledSentence("x", label, False) for label in ("negative", "positive")]
    report = sentence_report(predicted(sentences, [[1, 9, 0, 0], [0, 9, 1, 0]]), ASPECTS, "en")["polarity"]
    assert (report["accuracy"], report["macro_f1"], report["three_sided"]) == (1.0, 1.0, False)
    assert list(report["labels"]) == ["negative", "positive"]


def test_aspects_are_compared_with_their_keywords() -> None:
    sentences = [
        LabelledSentence("It fell apart.", aspects=frozenset({"durability"})),  # a keyword
        LabelledSentence("One leg came off on Monday.", aspects=frozenset({"durability"})),  # none
    ]
    right = [[0.9 if at == DURABILITY else 0.1 for at in range(2)]] * 2
    report = sentence_report(predicted(sentences, aspects=right), ASPECTS, "en")["aspects"]
    assert report["model"]["f1"] == 1.0
    assert report["keywords"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "of": 2}
    assert report["gain"] == pytest.approx(1 / 3)
    assert list(report["by_aspect"]) == ["durability"]


def test_keyword_and_a_model_that_is_not_sure_find_an_aspect_together() -> None:
    """As a worker does; the model alone would have to be surer."""
    sentences = [
        LabelledSentence(text, aspects=frozenset({"durability"})) for text in ("It fell apart.", "A leg, off.")
    ]
    possible = [[0.4 if at == DURABILITY else 0.0 for at in range(2)]] * 2
    report = sentence_report(predicted(sentences, aspects=possible), ASPECTS, "en")["aspects"]
    assert [report[name]["recall"] for name in ("model", "keywords", "together")] == [0.0, 0.5, 0.5]
    unlikely = [[0.05, 0.0]] * 2
    report = sentence_report(predicted(sentences, aspects=unlikely), ASPECTS, "en")["aspects"]
    assert report["together"]["recall"] == 0.0


def test_the_report_names_what_was_scored() -> None:
    sentences = [LabelledSentence("It fell apart.", "negative", True, hazard=False, aspects=frozenset({"durability"}))]
    text = "\n".join(sections("clauses", sentence_report(predicted(sentences), ASPECTS, "en")))
    for heading in ("## clauses", "### Hazard", "### Polarity", "### Aspects"):
        assert f"{heading}\n" in text
    assert "F1 of both less that of keywords alone: -1.000." in text
