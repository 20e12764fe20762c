"""How themes look inside the state of a product: places without words, a line for each review.

    39 1700000000000 -smell_and_taste - +value          read, made at, and each theme: its label, its aspect
    r17 <tab> 0 <tab> 0:2:118 2:0:0                     a review, its revision, and theme:rank:begins of each place

A script takes a review away by its line (apply.lua); ids hold no control characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from stream_app.records import Label, Place, Theme, Themes

_KEPT = 512  # up to 60 KB each
_SIGNS: dict[Label, str] = {"negative": "-", "neutral": "=", "positive": "+"}
_LABELS: dict[str, Label] = {sign: label for label, sign in _SIGNS.items()}


def pack_themes(themes: Themes) -> tuple[str, list[tuple[str, int, str]]]:
    """The first line, and (review_id, revision, places) of each other line: what write_text.lua joins."""
    places: dict[tuple[str, int], list[str]] = {}
    for number, theme in enumerate(themes.themes):
        for rank, place in enumerate(theme.places):
            places.setdefault((place.review_id, place.revision), []).append(f"{number}:{rank}:{place.begins}")
    named = [_SIGNS[theme.label] + (theme.aspect or "") for theme in themes.themes]
    first = " ".join([str(themes.read), str(themes.made_at_ms), *named])
    return first, [(review_id, revision, " ".join(at)) for (review_id, revision), at in places.items()]


@lru_cache(maxsize=_KEPT)
def unpack_themes(packed: bytes) -> Themes:
    """Themes as they are kept, with the places that are left. Kept by content: most reviews leave them as they are."""
    first, *lines = packed.decode().split("\n")[:-1]
    read, made_at_ms, *named = first.split(" ")
    places: list[list[tuple[int, Place]]] = [[] for _ in named]
    for review_id, revision, of_review in (line.split("\t") for line in lines):
        for number, rank, begins in (at.split(":") for at in of_review.split(" ")):
            places[int(number)].append((int(rank), Place(review_id, int(revision), int(begins))))
    return Themes(int(read), int(made_at_ms), tuple(map(_theme, named, places)))


def _theme(named: str, ranked: Sequence[tuple[int, Place]]) -> Theme:
    return Theme(_LABELS[named[0]], named[1:] or None, tuple(place for _, place in sorted(ranked)))
