"""Merges what the pieces of a text weigh to what its words weigh."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from stream_app.records import Span, WordWeight

_ALONE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
_IN_WORDS = frozenset("LMN")  # Unicode's letters, marks and numbers
_APOSTROPHES = "'’"


def word_weights(text: str, pieces: Sequence[Span], weights: Sequence[float]) -> tuple[WordWeight, ...]:
    """The words of the text that hold a piece, in order, each with the sum of its pieces' weights.

    ``pieces``: what a tokenizer cut the text into, in order. Those of one word ("un", "##happy"; "don", "'", "t")
    follow each other without a gap, or share characters. A Chinese or Japanese character and a mark are a word each.
    """
    words: list[WordWeight] = []
    for piece, weight in zip(pieces, weights, strict=True):
        last = words[-1] if words else None
        if last is not None and (
            piece.start < last.end or (piece.start == last.end and _is_inside_a_word(text, piece.start))
        ):
            words[-1] = WordWeight(last.start, max(last.end, piece.end), last.weight + weight)
        else:
            words.append(WordWeight(piece.start, piece.end, weight))
    return tuple(words)


def _is_inside_a_word(text: str, at: int) -> bool:
    """Does one word go on from ``text[at - 1]`` to ``text[at]``?"""
    if not 0 < at < len(text):
        return False
    if text[at] in _APOSTROPHES:
        return at + 1 < len(text) and _is_letter(text[at - 1]) and _is_letter(text[at + 1])
    if text[at - 1] in _APOSTROPHES:
        return at > 1 and _is_letter(text[at - 2]) and _is_letter(text[at])
    return _is_letter(text[at - 1]) and _is_letter(text[at])


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in _IN_WORDS and _ALONE.match(character) is None
