"""A pair counts where its labels differ in the direction that the negation says."""

from __future__ import annotations

from collections import Counter

import pytest

from stream_app.records import Label, Scores
from stream_app.testing.models import AnsweringModel
from stream_app.training.negations import NegationPair, negation_pairs, score_negations


def model_of(labels: dict[str, Label], languages: frozenset[str] | None = None) -> AnsweringModel[Scores]:
    def scores(text: str) -> Scores:
        label = labels[text]
        return Scores(float(label == "negative"), float(label == "neutral"), float(label == "positive"))

    return AnsweringModel(scores, languages=languages)


@pytest.mark.parametrize(
    ("label", "first", "second", "share", "both_right"),
    [
        ("positive", "positive", "negative", 1, 1),
        ("positive", "positive", "neutral", 1, 0),
        ("positive", "positive", "positive", 0, 0),
        ("positive", "negative", "positive", 0, 0),
        ("negative", "negative", "positive", 1, 1),
        ("negative", "neutral", "positive", 1, 0),
        ("negative", "positive", "negative", 0, 0),
    ],
)
def test_labels_must_differ_in_the_expected_direction(
    label: Label, first: Label, second: Label, share: float, both_right: float
) -> None:
    pair = NegationPair("en", "It works.", "It does not work.", label)
    found = score_negations(model_of({pair.text: first, pair.negated: second}), [pair])["en"]
    assert (found.share, found.both_right) == (share, both_right)
    assert len(found.examples) == 1 - share


def test_only_languages_that_the_model_reads_are_asked_for() -> None:
    pairs = [NegationPair("en", "a", "b", "positive"), NegationPair("zh", "c", "d", "positive")]
    model = model_of({"a": "positive", "b": "negative"}, frozenset({"en"}))
    assert list(score_negations(model, pairs)) == ["en"]


def test_the_written_pairs_are_sixty_english_and_thirty_chinese_ones() -> None:
    pairs = negation_pairs()
    assert Counter(pair.language for pair in pairs) == {"en": 60, "zh": 30}
    texts = [text for pair in pairs for text in (pair.text, pair.negated)]
    assert len(set(texts)) == len(texts)
    assert {pair.label for pair in pairs} == {"positive", "negative"}
