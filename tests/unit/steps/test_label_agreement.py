"""A line that praises is no summary of a complaint, although the review says it."""

from __future__ import annotations

import pytest

from stream_app.records import Label, Scores, SentenceScores
from stream_app.steps.label_agreement import agreeing_sentences, contradicts_label, line_agrees
from stream_app.steps.summary_input import label_of, summary_input

TEXT = "Broken. The music was pleasant until now. It stopped after a week."
SENTENCES = (
    SentenceScores(0, 7, (0.9, 0.1, 0.0), 0.0),
    SentenceScores(8, 41, (0.2, 0.1, 0.7), 0.0),
    SentenceScores(42, 66, (0.9, 0.1, 0.0), 0.0),
)


@pytest.mark.parametrize(
    ("line", "label", "contradicts"),
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
def test_the_sentence_of_the_line_decides(line: str, label: Label | None, contradicts: bool) -> None:
    assert contradicts_label(line, TEXT, SENTENCES, label) is contradicts


def test_words_that_stand_in_several_sentences_are_judged_by_the_one_that_fits() -> None:
    twice = "It works. It works?"
    sentences = (SentenceScores(0, 9, (0.1, 0.0, 0.9), 0.0), SentenceScores(10, 19, (0.9, 0.1, 0.0), 0.0))
    assert not contradicts_label("It works", twice, sentences, "negative")


def test_nothing_is_known_where_sentences_were_not_judged() -> None:
    unjudged = tuple(SentenceScores(one.start, one.end, None, 0.0) for one in SENTENCES)
    assert not contradicts_label("The music was pleasant", TEXT, unjudged, "negative")
    assert not contradicts_label("The music was pleasant", TEXT, (), "negative")


def agreeing(label: Label | None, sentences: tuple[SentenceScores, ...] = SENTENCES, text_start: int = 0) -> list[str]:
    text = TEXT[text_start:]
    return [text[span.start : span.end] for _, span in agreeing_sentences(sentences, label, text_start)]


def test_sentences_of_the_reviews_sentiment_tell_what_it_says() -> None:
    assert agreeing("negative") == ["Broken.", "It stopped after a week."]
    assert agreeing("positive") == ["The music was pleasant until now."]
    assert agreeing("neutral") == agreeing(None) == agreeing("negative", ()) == []


def test_sentences_of_the_title_are_not_of_the_text() -> None:
    assert agreeing("negative", text_start=8) == ["It stopped after a week."]


def test_where_none_is_likely_the_likeliest_sentence_tells_and_never_more_than_three_do() -> None:
    doubtful = (SentenceScores(0, 7, (0.2, 0.7, 0.1), 0.0), SentenceScores(8, 41, (0.4, 0.5, 0.1), 0.0))
    assert agreeing("negative", doubtful) == ["The music was pleasant until now."]
    many = tuple(SentenceScores(at, at + 1, (0.7 + at / 100, 0.1, 0.1), 0.0) for at in range(6))
    assert [span.start for _, span in agreeing_sentences(many, "negative")] == [3, 4, 5]


def test_t5_reads_the_label_and_the_agreeing_sentences_or_the_whole_text() -> None:
    assert summary_input(TEXT, "negative", SENTENCES) == "negative: Broken. It stopped after a week."
    assert summary_input(TEXT, "neutral", SENTENCES) == f"neutral: {TEXT}"
    assert summary_input(TEXT, "negative") == f"negative: {TEXT}"
    assert summary_input(TEXT, None, SENTENCES) == TEXT
    assert summary_input(TEXT, "negative", SENTENCES, reads_label=False) == TEXT


def test_t5_does_not_read_a_sentence_that_was_cut() -> None:
    assert summary_input(TEXT, "negative", SENTENCES, truncated=True) == "negative: Broken."


def test_sentences_that_a_line_break_ended_stay_two_for_t5() -> None:
    sentences = (SentenceScores(0, 7, (0.0, 0.0, 1.0), 0.0), SentenceScores(18, 33, (0.0, 0.0, 1.0), 0.0))
    assert summary_input("Love it\nIt's late\nWould buy again", "positive", sentences) == (
        "positive: Love it. Would buy again."
    )


@pytest.mark.parametrize(
    ("line", "label", "agrees"),
    [
        (Scores(0.1, 0.2, 0.7), "positive", True),
        (Scores(0.1, 0.2, 0.7), "negative", False),
        (Scores(0.3, 0.6, 0.1), "negative", True),  # the label need not be the likeliest
        (Scores(0.1, 0.8, 0.1), "negative", False),  # a fact is no complaint
        (Scores(0.1, 0.2, 0.7), "neutral", True),
        (Scores(0.1, 0.2, 0.7), None, True),
    ],
)
def test_a_line_that_is_judged_alone_may_stand_for_its_review(line: Scores, label: Label | None, agrees: bool) -> None:
    assert line_agrees(line, label) is agrees


@pytest.mark.parametrize("label", ["negative", "neutral", "positive", None])
def test_the_label_is_read_back_from_what_t5_reads(label: Label | None) -> None:
    assert label_of(summary_input("It works: well", label)) == label
