"""Which English sentences are parted where two statements contrast."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.clauses import clauses
from stream_app.steps.sentences import sentences


@pytest.mark.parametrize(
    "parts",
    [
        "Delivery took four weeks and the box was crushed| but |the kettle itself is excellent.",
        "It works| but |the lid leaks.",
        "Great sound|, but |not comfortable for long.",
        "I love it|, even though |it is loud|, but |my wife hates the noise.",
        "Although |the lid leaks|, |the kettle is fine.",
        "The price is high|; however, |it lasts.",
        "Cheap plastic| - but |it does what it should.",
        "Nice colour|, although |smaller than expected.",
    ],
)
def test_sentence_is_parted_where_a_second_statement_contrasts(parts: str) -> None:
    text = parts.replace("|", "")
    # every second part joins: it belongs to no clause
    first = 1 if parts.startswith("Although") else 0

    assert [text[span.start : span.end] for span in clauses(text)] == parts.split("|")[first::2]


@pytest.mark.parametrize(
    "text",
    [
        "Small but mighty.",  # two words, no statements
        "It is nothing but trouble.",
        "It is not only cheap, but also works very well.",
        "It isn't just cheap, but it is also ugly.",
        "I can't help but love the colour.",
        "It is not yet clear how it works.",
        "Yes, but the lid leaks.",
        "Works well, though.",
        "It said (cheap, but it works well) on the box.",
        'She said "it is fine, but the lid leaks" to me.',
        "It would be perfect, but for the smell of plastic.",
        "It is perfect but for the smell.",
        "Everything is perfect but the price.",
        "I'd recommend it to anyone but my worst enemy.",
        "The problem is not the sound but the cable.",
        "The colour is not red as shown, but a dull brown.",
        "It has a weak, but very sweet taste.",
        "The bag, although not very big, is well made.",
        "My only complaint, though minor, is the smell.",
        "I thought it would shock me, but it was perfectly safe.",
        "I would have given five stars, but the lid leaks.",
        "Others say it leaks, but mine doesn't.",
        "I like it but , it is too small.",
        "I was concerned it was flimsy, but it is solid.",
        "The bag looks cheap, but it isn't.",
        "The problem is not the sound, but the cable that came with it.",
        "The bag, although the zip is stiff, is fine.",
        "Although I was afraid it would shock me, it works great.",
        "Although the lid, the handle and the base are ugly, it works.",
        f"{'It is very good ' * 70}, but the lid leaks.",
    ],
)
def test_what_is_one_statement_stays_whole(text: str) -> None:
    assert clauses(text) == sentences(text)


def test_neither_capitals_nor_other_sentences_make_a_difference() -> None:
    for text in ("I LIKE IT, BUT THE LID LEAKS.", "Though it is small, it works well."):
        assert len(clauses(text)) == 2
        assert clauses(text) == clauses(f"{text} Nice but loud.")[:2]


@pytest.mark.parametrize(
    "text", ['it said "' + "a b, but it is " * 1330, ("it is (ok " + "but it is ok " * 75 + "). ") * 20]
)
def test_no_text_takes_long(text: str) -> None:
    began = time.perf_counter()
    clauses(text)
    clauses(text.replace(" but ", ". But ", 5))
    assert time.perf_counter() - began < 0.5


def test_chinese_is_parted_as_by_its_sentences() -> None:
    text = "屏幕清晰，但是电池不耐用。"

    assert clauses(text) == sentences(text)


@given(st.lists(st.sampled_from(["it", "the", "lid", "works", ",", ";", " but ", ", although ", " (", ")", '"', ". "])))
def test_clauses_are_in_order_never_empty_and_within_a_sentence(words: list[str]) -> None:
    text = " ".join(words)
    whole = sentences(text)
    at = 0
    for span in clauses(text):
        assert at <= span.start < span.end
        assert text[span.start : span.end] == text[span.start : span.end].strip()
        assert any(one.start <= span.start and span.end <= one.end for one in whole)
        at = span.end
