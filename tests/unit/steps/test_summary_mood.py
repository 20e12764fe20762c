"""A line that praises is no summary of a complaint, although the review says it."""

from __future__ import annotations

import pytest

from stream_app.records import Label, SentenceScores
from stream_app.steps.summary_mood import is_of_other_mood

TEXT = "Broken. The music was pleasant until now. It stopped after a week."
SENTENCES = (
    SentenceScores(0, 7, (0.9, 0.1, 0.0), 0.0),
    SentenceScores(8, 41, (0.2, 0.1, 0.7), 0.0),
    SentenceScores(42, 66, (0.9, 0.1, 0.0), 0.0),
)


@pytest.mark.parametrize(
    ("line", "label", "is_of_other"),
    [
        ("The music was pleasant", "negative", True),
        ("the  music was pleasant.", "negative", True),
        ("It stopped after a week", "negative", False),
        ("The music was pleasant", "positive", False),
        ("It stopped after a week", "positive", True),
        ("The music was pleasant", "neutral", False),
        ("The music was pleasant", None, False),
        ("Pleasant music at first", "negative", False),  # in other words: of no sentence
    ],
)
def test_the_sentence_of_the_line_decides(line: str, label: Label | None, is_of_other: bool) -> None:
    assert is_of_other_mood(line, TEXT, SENTENCES, label) is is_of_other


def test_words_that_stand_in_several_sentences_are_judged_by_the_one_that_fits() -> None:
    twice = "It works. It works?"
    sentences = (SentenceScores(0, 9, (0.1, 0.0, 0.9), 0.0), SentenceScores(10, 19, (0.9, 0.1, 0.0), 0.0))
    assert not is_of_other_mood("It works", twice, sentences, "negative")


def test_nothing_is_known_where_sentences_were_not_judged() -> None:
    unjudged = tuple(SentenceScores(one.start, one.end, None, 0.0) for one in SENTENCES)
    assert not is_of_other_mood("The music was pleasant", TEXT, unjudged, "negative")
    assert not is_of_other_mood("The music was pleasant", TEXT, (), "negative")
