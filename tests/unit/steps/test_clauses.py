"""Which English sentences are parted where two statements contrast."""

from __future__ import annotations

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
        "I can't help but love the colour.",
        "It is not yet clear how it works.",
        "But the lid leaks.",
        "Works well, though.",
        "It said (cheap, but it works well) on the box.",
        'She said "it is fine, but the lid leaks" to me.',
        "However it is made, it works.",
    ],
)
def test_what_is_one_statement_stays_whole(text: str) -> None:
    assert clauses(text) == sentences(text)


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
