"""Finds which hazards texts speak of, by the terms of all languages: none has to be known, and no model is asked.

The terms are data, in ``safety_terms/``. One automaton looks for a word of each in all texts together; only where it
finds one is the term itself tried, on the characters around it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate

from ahocorasick_rs import BytesAhoCorasick, Implementation

from stream_app.records import value
from stream_app.steps.safety_nearby import REACH, UNKNOWN, Nearby, Patterns, patterns_of_any
from stream_app.steps.safety_patterns import Term, Terms, any_of, languages, read

_AROUND = REACH  # bytes that are looked at before and after a word: a look-alike has no more, either
_MARKS = re.compile(
    "[\u00a1-\u00bf\u00d7\u00f7\u2010-\u2bff]"
)  # quotation marks, dashes, stars, emoji: no part of a word
_MAX_TRIED = 200  # places of a text at which terms are tried: a text that repeats a word must not hold up the others
_PUNCTUATION = bytes(byte for byte in range(128) if not chr(byte).isalnum())
# punctuation and control characters as spaces, byte by byte, so that nothing moves
_SPACES = bytes.maketrans(_PUNCTUATION, b" " * len(_PUNCTUATION))
_SHORT = 5  # letters of a word that is often in the middle of others


@value
class _Tried:
    """What is tried where a word is found: terms of one kind and language. Patterns of single words are compiled when
    the word is first found: most never are.
    """

    kind: str
    pattern: str
    tail: str  # what the pattern has from the word on: it fails fast
    first: bool  # is that all of it?
    negated: re.Pattern[str]
    harmless: re.Pattern[str] | None


class _Search:
    """Finds the places where terms may be, by ``patterns`` of what stands around each word, in a text's bytes.

    ``in_words``: longer words are also found after and before other characters than spaces.
    """

    def __init__(self, patterns: Mapping[str, Patterns], *, in_words: bool) -> None:
        looked_for = [word.strip() if in_words and len(word.strip()) > _SHORT else word for word in patterns]
        self._automaton = BytesAhoCorasick([word.encode() for word in looked_for], implementation=Implementation.DFA)
        self._around = [
            (
                int(word.startswith(" ")),
                int(word.endswith(" ")),
                found.alone and found.alone.match,
                found.after and found.after.match,
                found.before and found.before.match,
            )
            for word, found in zip(looked_for, patterns.values(), strict=True)
        ]

    def places(self, joined: bytes) -> dict[int, list[int]]:
        """Where in ``joined`` which words are. It is in lower case, texts one after the other.

        One search for all texts: the library releases the interpreter's lock for each, other threads take it, and
        waiting for it takes longer than to search a text.
        """
        around, unknown = self._around, None if joined.isascii() else UNKNOWN
        places: dict[int, list[int]] = {}
        for word, start, end in self._automaton.find_matches_as_indexes(joined.translate(_SPACES), overlapping=True):
            before, after, alone, is_after, is_before = around[word]
            at = start + before
            if (
                (alone is not None and alone(joined, end - after, end + REACH))
                or (
                    is_before is not None
                    and (is_after is None or is_after(joined, end - after, end + REACH))
                    and is_before(joined[max(0, at - REACH) : at][::-1])
                )
                or (unknown is not None and unknown.search(joined, max(0, at - REACH), at + REACH))
            ):
                places.setdefault(at, []).append(word)
        return places


class SafetyTerms:
    """Searches texts for the terms of several languages."""

    def __init__(self, terms: Sequence[Terms]) -> None:
        tried: dict[str, dict[tuple[str, str, bool], list[Term]]] = {}
        near: dict[str, list[Nearby]] = {}
        of_language = {one.language: one for one in terms}
        for one in terms:
            for term in one.terms:
                for literal, nearby in term.literals:
                    tried.setdefault(literal, {}).setdefault((one.language, term.kind, term.first), []).append(term)
                    near.setdefault(literal, []).append(nearby)
        tried = dict(sorted(tried.items(), key=lambda one: not one[0].isascii()))
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
        patterns = {word: patterns_of_any(near[word]) for word in tried}
        self._of_all = _Search(patterns, in_words=True)
        self._of_ascii = _Search({word: found for word, found in patterns.items() if word.isascii()}, in_words=False)

    def kinds_in_each(self, texts: Sequence[str]) -> dict[int, tuple[str, ...]]:
        """The kinds of hazards that each text speaks of, in the order of first mention; only texts that do."""
        plain = [index for index, text in enumerate(texts) if text.isascii()]
        of_plain = texts if len(plain) == len(texts) else [texts[index] for index in plain]
        # the first word of the first text, too, comes after a space
        joined = "\n".join(["", *of_plain, ""]).lower().encode()
        kinds = self._kinds_in(joined, plain, list(map(len, of_plain)), self._of_ascii) if plain else {}
        if len(plain) == len(texts):
            return kinds
        others = [index for index, text in enumerate(texts) if not text.isascii()]
        encoded = [_lowered(texts[index]).encode(errors="surrogatepass") for index in others]
        return kinds | self._kinds_in(b"\n".join([b"", *encoded, b""]), others, list(map(len, encoded)), self._of_all)

    def _kinds_in(
        self, joined: bytes, indexes: Sequence[int], lengths: Sequence[int], search: _Search
    ) -> dict[int, tuple[str, ...]]:
        """``joined``: texts in lower case of these indexes and lengths, before each a line break."""
        places = search.places(joined)
        if not places:
            return {}
        begins = list(accumulate((length + 1 for length in lengths), initial=1))
        of_text: dict[int, dict[int, list[int]]] = {}
        for at, words in places.items():
            of_text.setdefault(bisect_right(begins, at) - 1, {})[at] = words
        kinds = {
            indexes[text]: self._kinds_at(joined, begins[text], begins[text + 1] - 1, at)
            for text, at in of_text.items()
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
    found = _compiled(tried.tail).match(around, at)
    if found and not tried.first:
        start = max(at - _AROUND // 2, around.rfind(".", 0, at) + 1, 0)
        found = next(
            (one for one in _compiled(tried.pattern).finditer(around, start) if one.start() <= at < one.end()), None
        )
    if found is None or tried.negated.search(around, max(0, found.start() - 60), found.start()):
        return False
    if tried.harmless is None:
        return True
    return not any(one.start() < found.end() and one.end() > found.start() for one in tried.harmless.finditer(around))


def _lowered(text: str) -> str:
    text = text.lower()
    return _MARKS.sub(" ", text.replace("’", "'").replace("…", "."))


def _decoded(piece: bytes) -> str:
    return piece.decode(errors="ignore")


def _any(patterns: Iterable[str]) -> str:
    return any_of(dict.fromkeys(patterns))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def safety_terms() -> SafetyTerms:
    """The terms of this package. The first call takes a second or two: a worker makes it before its first review."""
    return SafetyTerms([read(language) for language in languages()])


def safety_words_in_each(texts: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """``SafetyTerms.kinds_in_each`` by the terms of this package."""
    return safety_terms().kinds_in_each(texts)


def safety_words_in(text: str) -> tuple[str, ...]:
    """The same of one text."""
    return safety_words_in_each([text]).get(0, ())
