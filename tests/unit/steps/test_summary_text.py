"""Sentences, words, and whether a summary is borne out by its source."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import Label, Span
from stream_app.steps import summary_text
from stream_app.steps.clean import clean
from stream_app.steps.privacy import mask
from stream_app.steps.summary_text import (
    MAX_SENTENCE_CHARACTERS,
    best_sentence,
    clean_word_count,
    content_words,
    faithful,
    key_sentence,
    word_count,
)


@pytest.mark.parametrize(
    ("text", "words"), [("one two  three", 3), ("质量很好", 2), ("iPhone 很好用", 3), ("“très bien”", 2), ("", 0)]
)
def test_words_are_counted_in_any_script(text: str, words: int) -> None:
    """Two characters of a script without spaces count as a word."""
    assert word_count(text) == words


def test_content_words_meet_across_their_endings() -> None:
    """So that a summary may say "breaks" where the review says "breaking"."""
    assert content_words("It breaks!") == content_words("breaking")
    assert content_words("the and of") == frozenset()
    assert content_words("很好") == {"很", "好"}


def said(text: str, title: str | None = None, label: Label | None = None) -> str:
    span = best_sentence(text, title, label)
    assert span is not None
    return text[span.start : span.end]


def test_best_sentence_is_about_what_title_and_review_are_about() -> None:
    """Not the story of how it came to be bought."""
    text = "My sister told me on Sunday. The battery lasts two whole days. She was right about the days."

    assert said(text, "Great battery", "positive") == "The battery lasts two whole days."


def test_best_sentence_is_one_of_those_that_are_named() -> None:
    text = "My sister told me on Sunday. The battery lasts two whole days. She was right about the days."

    for start, end in ((0, 28), (63, 92)):
        span = best_sentence(text, "Great battery", "positive", [Span(start, end)])
        assert span == Span(start, end)
    assert best_sentence(text, "Great battery", "positive", [Span(200, 210)]) == Span(29, 62)


def test_best_sentence_carries_the_sentiment_of_the_review() -> None:
    """Of a review that praises and blames, the side that weighs more."""
    text = "The colour is beautiful and nice. The handle broke and is useless now."

    assert said(text, None, "negative") == "The handle broke and is useless now."
    assert said(text, None, "positive") == "The colour is beautiful and nice."


def test_key_sentence_is_the_danger_before_the_complaint() -> None:
    """What customer service must read first."""
    text = "Terrible, awful, useless junk. It burned my hand. I want a refund."
    span = key_sentence(text, dangerous=True)

    assert span is not None
    assert text[span.start : span.end] == "It burned my hand."
    complaint = key_sentence(text, dangerous=False)
    assert complaint is not None
    assert text[complaint.start : complaint.end] == "Terrible, awful, useless junk."


def test_safety_term_that_spans_two_clauses_is_quoted_whole() -> None:
    text = "Awful rude terrible seller. The battery looked okay, but it leaked."
    span = key_sentence(text, dangerous=True)
    assert span is not None
    assert text[span.start : span.end] == "The battery looked okay, but it leaked."


def test_best_sentence_is_one_that_overlaps_what_is_named() -> None:
    """The classifier reads the title too, and may part clauses that the text alone has whole."""
    text = "Lovely lovely packaging and lovely colours. The zip is broken and stuck"
    span = best_sentence(text, "Lovely packaging", "negative", [Span(text.index("stuck"), len(text))])
    assert span is not None
    assert text[span.start : span.end] == "The zip is broken and stuck"


def test_long_sentence_is_cut_after_a_word() -> None:
    """An alert or a quote is no place for a page."""
    span = key_sentence("word " * 200, dangerous=True)

    assert span is not None
    assert span.end - span.start <= MAX_SENTENCE_CHARACTERS
    assert ("word " * 200)[span.start : span.end].endswith("word")


@given(st.text(max_size=400) | st.text("ab. ", max_size=700))
def test_any_text_has_a_best_and_a_key_sentence_or_is_blank(text: str) -> None:
    """Never longer than allowed, never empty."""
    for span in (best_sentence(text, text[:9], "negative"), key_sentence(text, dangerous=True)):
        assert (span is None) == (not text.strip())
        assert span is None or 0 < span.end - span.start <= MAX_SENTENCE_CHARACTERS


SOURCE = "I do not recommend this kettle. The lid broke after 2 weeks and the water tastes of plastic."


@pytest.mark.parametrize("summary", ["Lid broke", "The lid broke after 2 weeks", "Bad kettle", "Not recommended"])
def test_summary_in_the_words_of_the_review_is_faithful(summary: str) -> None:
    """And so is a common word of blame where the review is negative."""
    assert faithful(summary, SOURCE, "negative")


@pytest.mark.parametrize(
    ("summary", "label"),
    [
        ("Handle broke", "negative"),
        ("The lid broke after 3 weeks", "negative"),
        ("Recommend this kettle", "negative"),
        ("Great kettle", "negative"),
        ("Bad kettle", "positive"),
        ("Bad kettle", None),
        ("the of and", "negative"),
        ("", "negative"),
    ],
)
def test_summary_that_says_something_else_is_not(summary: str, label: Label | None) -> None:
    """Other things, other numbers, the opposite, or nothing."""
    assert not faithful(summary, SOURCE, label)


def test_negation_must_stand_in_the_review() -> None:
    """A small model likes to deny."""
    assert not faithful("Lid never broke", "The lid broke.", "negative")


@given(st.text(st.sampled_from("ab.,-+ 0123456789\n\t\r\x1c\x0b\xa0\u3000é好<b>&")))
def test_words_of_a_cleaned_text_are_counted_as_those_of_any(text: str) -> None:
    plain, _ = mask(clean(text)[0])

    assert not plain or clean_word_count(plain) == word_count(plain)


@pytest.mark.parametrize("summary", ['Support says "reset them', "Support says “reset them", "reset them”"])
def test_summary_whose_quotation_does_not_end_in_it_is_not_used(summary: str) -> None:
    review = 'Support says "reset them". Support says “reset them”.'
    assert not faithful(summary, review, "neutral")
    assert faithful('Support says "reset them"', review, "neutral")
    assert faithful('The 5" screen', 'The 5" screen of it broke.', "negative")


@pytest.mark.parametrize("piece", ["a. ", "。", "\n", "a ", '."', "...", "Mr. ", "好", ". ", "1. ", "a.B", "www.A"])
def test_long_texts_take_no_quadratic_time(piece: str) -> None:
    """The longest text that is accepted, in its worst shape."""
    text = (piece * 20_000)[:20_000].strip()
    began = time.process_time()

    best_sentence(text, None, None)
    key_sentence(text, dangerous=True)

    assert time.process_time() - began < 2.0


def test_long_words_did_not_fill_the_memory() -> None:
    """The stems of fifty thousand words are remembered: each may be of a script without spaces, or garbage."""
    stems = content_words("x" * 20_000 + " " + "ก" * 20_000)

    assert max(map(len, stems)) <= 64


def test_ten_thousand_sentences_are_not_all_weighed() -> None:
    """A later one never won against the first ones; what was worked out for each was kept for 128 reviews."""
    text = "It is a. " * 600 + "The fire burned my terrible hand. " + "It is a. " * 2_000

    span = key_sentence(text, dangerous=True)

    assert span is not None
    assert text[span.start : span.end] == "It is a."
    assert len(summary_text._sentence_words(text, False)[0]) == 500
