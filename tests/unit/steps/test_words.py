"""Pieces of a tokenizer become words again, and no weight is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import Span, WordWeight
from stream_app.steps.words import word_weights


def pieces_of(text: str, pieces: list[str]) -> list[Span]:
    """Where each stands in the text, one after another."""
    spans, at = [], 0
    for piece in pieces:
        at = text.index(piece, at)
        spans.append(Span(at, at + len(piece)))
        at += len(piece)
    return spans


@pytest.mark.parametrize(
    ("text", "pieces", "words"),
    [
        ("I am unhappy.", ["I", "am", "un", "happy", "."], ["I", "am", "unhappy", "."]),
        ("I don't", ["I", "don", "'", "t"], ["I", "don't"]),
        ("didn’t 'quote'", ["didn", "’", "t", "'", "quote", "'"], ["didn’t", "'", "quote", "'"]),
        ("dogs' '", ["dogs", "'", "'"], ["dogs", "'", "'"]),
        ("well-made, 5.5", ["well", "-", "made", ",", "5", ".", "5"], ["well", "-", "made", ",", "5", ".", "5"]),
        ("质量很差", ["质", "量", "很", "差"], ["质", "量", "很", "差"]),
        ("用usb线", ["用", "us", "b", "线"], ["用", "usb", "线"]),
        ("हिन्दी", ["ह", "िन", "्द", "ी"], ["हिन्दी"]),
        ("good😀😀", ["good", "😀", "😀"], ["good", "😀", "😀"]),
        ("", [], []),
    ],
)
def test_pieces_of_a_word_are_one_word(text: str, pieces: list[str], words: list[str]) -> None:
    found = word_weights(text, pieces_of(text, pieces), [1.0] * len(pieces))

    assert [text[one.start : one.end] for one in found] == words
    assert sum(one.weight for one in found) == len(pieces)


def test_pieces_that_share_characters_are_one_word() -> None:
    """A tokenizer of bytes cuts an emoji into pieces that all stand where it stands."""
    found = word_weights("😀!", [Span(0, 1), Span(0, 1), Span(1, 2)], [0.5, 0.25, -1.0])

    assert found == (WordWeight(0, 1, 0.75), WordWeight(1, 2, -1.0))


@given(st.text(max_size=40), st.data())
def test_words_are_in_order_apart_and_weigh_what_their_pieces_weigh(text: str, data: st.DataObject) -> None:
    """Whatever the text and wherever it is cut."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    pieces = [Span(start, end) for start, end in pairwise(cuts)]
    weights = [float(number) for number in range(len(pieces))]

    found = word_weights(text, pieces, weights)

    assert sum(one.weight for one in found) == sum(weights)
    assert all(one.start < one.end for one in found)
    assert all(one.end <= following.start for one, following in pairwise(found))
