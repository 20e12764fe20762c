"""Finds the aspects that a text speaks of by their keywords: the baseline that a model has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ahocorasick_rs import AhoCorasick

from stream_app.records import value
from stream_app.steps.aspects import Aspect

_WITHOUT_SPACES = frozenset({"zh", "ja", "th"})


@value
class _Search:
    """``ids``: the aspects of each keyword, by the keyword's place in the automaton."""

    automaton: AhoCorasick
    ids: tuple[frozenset[str], ...]


def aspects_by_keyword(text: str, language: str, aspects: Sequence[Aspect]) -> tuple[str, ...]:
    """Ids of the aspects with a keyword of ``language`` in ``text``, in the order of ``aspects``.

    Case, typographic apostrophes and the kind of white space do not count. Where words have spaces between them, a
    keyword is found only as whole words. An aspect without keywords of that language is never found.
    """
    search = _search(tuple(aspects), language)
    if search is None:
        return ()
    lowered = " ".join(text.lower().replace("’", "'").split())
    spaced = language not in _WITHOUT_SPACES
    found = {
        id_
        for keyword, start, end in search.automaton.find_matches_as_indexes(lowered, overlapping=True)
        if not spaced or _is_whole(lowered, start, end)
        for id_ in search.ids[keyword]
    }
    return tuple(aspect.id for aspect in aspects if aspect.id in found)


@lru_cache(maxsize=16)
def _search(aspects: tuple[Aspect, ...], language: str) -> _Search | None:
    ids: dict[str, set[str]] = {}
    for aspect in aspects:
        for keyword in aspect.keywords.get(language, ()):
            ids.setdefault(keyword.replace("’", "'"), set()).add(aspect.id)
    if not ids:
        return None
    return _Search(AhoCorasick(list(ids)), tuple(frozenset(found) for found in ids.values()))


def _is_whole(text: str, start: int, end: int) -> bool:
    """Does no word go on across either end? A keyword may begin or end with a sign itself, as "$" does."""
    return not (start > 0 and text[start].isalnum() and text[start - 1].isalnum()) and not (
        end < len(text) and text[end - 1].isalnum() and text[end].isalnum()
    )
