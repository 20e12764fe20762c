"""Finds which hazards texts speak of, by the terms of all languages: none has to be known, and no model is asked.

The terms are data, in ``safety_terms/``. One automaton looks for a word of each in all texts together; only where it
finds one is the term itself tried, on the characters around it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate

from ahocorasick_rs import BytesAhoCorasick, Implementation

from stream_app.records import value
from stream_app.steps.safety_patterns import Term, Terms, languages, read

_AROUND = 120  # bytes that are looked at before and after a word: more than a term, or a look-alike, has
_MARKS = re.compile("[\u00a1-\u00bf\u2010-\u2bff]")  # quotation marks, dashes, stars, emoji: no part of a word
_MAX_TRIED = 200  # places of a text at which terms are tried: a text that repeats a word must not hold up the others
_PUNCTUATION = bytes(byte for byte in range(128) if not chr(byte).isalnum())
# punctuation and control characters as spaces, byte by byte, so that nothing moves
_SPACES = bytes.maketrans(_PUNCTUATION, b" " * len(_PUNCTUATION))


@value
class _Tried:
    """What is tried where a word is found: terms of one kind and language."""

    kind: str
    pattern: re.Pattern[str]
    tail: re.Pattern[str]  # what the pattern has from the word on: it fails fast
    first: bool  # is that all of it?
    negated: re.Pattern[str]
    harmless: re.Pattern[str] | None


class SafetyTerms:
    """Searches texts for the terms of several languages."""

    def __init__(self, terms: Sequence[Terms]) -> None:
        tried: dict[str, dict[tuple[str, str, bool], list[Term]]] = {}
        of_language = {one.language: one for one in terms}
        for one in terms:
            for term in one.terms:
                for literal in term.literals:
                    tried.setdefault(literal, {}).setdefault((one.language, term.kind, term.first), []).append(term)
        self._words = [word.encode() for word in tried]
        self._tried = [
            tuple(
                _Tried(
                    kind,
                    _any(term.pattern for term in found),
                    _any(term.tail for term in found),
                    first,
                    of_language[language].negated,
                    of_language[language].harmless.get(kind),
                )
                for (language, kind, first), found in of_word.items()
            )
            for of_word in tried.values()
        ]
        self._spaced = [word.startswith(b" ") for word in self._words]
        self._automaton = BytesAhoCorasick(self._words, implementation=Implementation.DFA)

    def kinds_in_each(self, texts: Sequence[str]) -> dict[int, tuple[str, ...]]:
        """The kinds of hazards that each text speaks of, in the order of first mention; only texts that speak of some.

        One search for all texts: the library releases the interpreter's lock for each, other threads take it, and
        waiting for it takes longer than to search a text.
        """
        encoded = [_lowered(text).encode(errors="surrogatepass") for text in texts]
        joined = b"\n".join([*encoded, b""])
        # shifted by one byte: the first word of the first text, too, comes after a space
        found = self._automaton.find_matches_as_indexes(b" " + joined.translate(_SPACES), overlapping=True)
        if not found:
            return {}
        ends = list(accumulate(len(text) + 1 for text in encoded))
        places: dict[int, dict[int, list[int]]] = {}
        for word, start, _ in found:
            at = start if self._spaced[word] else start - 1
            places.setdefault(bisect_right(ends, at), {}).setdefault(at, []).append(word)
        kinds = {
            index: self._kinds_at(joined, ends[index] - 1 - len(encoded[index]), ends[index] - 1, at)
            for index, at in places.items()
        }
        return {index: found for index, found in kinds.items() if found}

    def _kinds_at(self, joined: bytes, begin: int, end: int, places: dict[int, list[int]]) -> tuple[str, ...]:
        """``places``: the words that were found in ``joined[begin:end]``, by the byte where they begin."""
        kinds: dict[str, None] = {}
        for at in sorted(places)[:_MAX_TRIED]:
            before = _decoded(joined[max(begin, at - _AROUND) : at])
            around = before + _decoded(joined[at : min(end, at + _AROUND)])
            for word in places[at]:
                for tried in self._tried[word]:
                    if tried.kind not in kinds and _speaks_of(tried, around, len(before)):
                        kinds[tried.kind] = None
        return tuple(kinds)


def _speaks_of(tried: _Tried, around: str, at: int) -> bool:
    """Is a term there at ``at``, neither negated nor a look-alike?"""
    found = tried.tail.match(around, at)
    if found and not tried.first:
        start = max(at - _AROUND // 2, around.rfind(".", 0, at) + 1, 0)
        found = next((one for one in tried.pattern.finditer(around, start) if one.start() <= at < one.end()), None)
    if found is None or tried.negated.search(around, max(0, found.start() - 60), found.start()):
        return False
    if tried.harmless is None:
        return True
    return not any(one.start() < found.end() and one.end() > found.start() for one in tried.harmless.finditer(around))


def _lowered(text: str) -> str:
    text = text.lower()
    if text.isascii():
        return text
    return _MARKS.sub(" ", text.replace("’", "'").replace("…", "."))


def _decoded(piece: bytes) -> str:
    return piece.decode(errors="ignore")


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return _compiled("|".join(dict.fromkeys(patterns)))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _terms() -> SafetyTerms:
    return SafetyTerms([read(language) for language in languages()])


def safety_words_in_each(texts: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """``SafetyTerms.kinds_in_each`` by the terms of this package."""
    return _terms().kinds_in_each(texts)


def safety_words_in(text: str) -> tuple[str, ...]:
    """The same of one text."""
    return safety_words_in_each([text]).get(0, ())
