"""What is kept of a review and quoted of it: whole sentences; a text holds as long as its reviews have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import ProductText, Span, SummaryMethod
from stream_app.steps.kept_sentences import MAX_KEPT_CHARACTERS, kept_sentences, kept_spans
from stream_app.steps.product_sentences import MOST_OF_A_REVIEW, quotable
from stream_app.steps.product_text import text_of
from stream_app.steps.quoted import still_quotes
from stream_app.steps.sentence_style import cost
from tests.unit.steps.quotes import choice_of, item

_TEXT = "First of all. " + "It boils water. " * 30 + "The lid broke."


def test_first_sentences_are_kept_whole() -> None:
    kept = kept_sentences(_TEXT, kept_spans(_TEXT, None))

    assert kept.splitlines() == ["First of all."] + ["It boils water."] * 17
    assert len(kept) <= MAX_KEPT_CHARACTERS


def test_key_sentence_is_kept_wherever_it_stands() -> None:
    at = _TEXT.index("The lid")

    assert kept_sentences(_TEXT, kept_spans(_TEXT, Span(at, len(_TEXT)))).splitlines()[-1] == "The lid broke."


@given(st.text(max_size=700), st.booleans())
def test_kept_is_bounded_and_quotes_the_text(text: str, with_key: bool) -> None:
    key = Span(0, min(400, len(text))) if with_key and text.strip() else None
    kept = kept_sentences(text, kept_spans(text, key))

    assert len(kept) <= MAX_KEPT_CHARACTERS
    assert all(one.text in text for one in quotable([item("a", sentence=kept)]))


def test_review_of_many_sentences_gives_its_best() -> None:
    many = "\n".join(["I like my own.", *(f"My word {n} is here." for n in range(9)), "The lid closes well."])
    found = quotable([item("a", sentence=many)])

    assert len(found) == MOST_OF_A_REVIEW
    assert found[-1].text == "The lid closes well."


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("The lid closes well every time.", "I think my lid closes well every time."),
        ("The lid closes well every time.", "My husband closes the lid well."),
        ("The lid closes well every time.", "But the lid closes well every time."),
        ("The lid closes well every time.", "Does the lid close well every time?"),
        ("The lid closes well every time.", "THE LID CLOSES WELL EVERY TIME."),
        ("The lid closes well every time.", "The lid closes well every"),
        ("The lid closes well every time.", "Great."),
        ("The lid closes well every time.", "UPDATE: the lid closes well every time."),
        ("盖子盖得很紧，用起来方便。", "我老公说盖子盖得很紧，用起来方便。"),
        ("盖子盖得很紧，用起来方便。", "但是盖子盖得很紧，用起来方便。"),
    ],
)
def test_style_prefers_a_statement_about_the_product(better: str, worse: str) -> None:
    assert cost(better) < cost(worse)


def text(quoted: str, headline: str = "", method: SummaryMethod = "extractive") -> ProductText:
    return ProductText(headline, quoted, method, ("a", "b"), None, 0)


_A, _B = item("a", sentence="Good.\nGood value.\nOdd.\nNo end"), item("b", sentence="The lid broke.")


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (text("Good. The lid broke.", "Good."), True),
        (text("Good value. The lid broke.", "Odd."), True),
        (text("Good. The lid broke.", "The lid…"), True),
        (text("Good. The lid broke.", "Made up.", "abstractive"), True),
        (text("Good. The lid broke.", "Made up."), False),
        (text("Good. The lid broke", "Good."), False),
        (text("The lid broke. Good.", "Good."), False),
        (text("Good.", "Good."), False),
        (text("Better. The lid broke.", "Good."), False),
        (text("No end. The lid broke.", "Good."), True),
        (text("No end The lid broke.", "Good."), True),
    ],
)
def test_text_holds_while_its_reviews_have_its_sentences(found: ProductText, holds: bool) -> None:
    assert still_quotes(found, [_A, _B]) is holds


@given(st.lists(st.sampled_from(["Good.", "Good value.", "The lid broke.", "Very odd thing."]), max_size=8))
def test_chosen_text_holds(sentences: list[str]) -> None:
    choice = choice_of([item(str(n), sentence=f"{one}\nThe end.") for n, one in enumerate(sentences)])
    if choice is not None:
        assert still_quotes(text(text_of(choice.sentences), choice.headline), choice.reviews)
