"""What the card names as praise and complaints: the highlights of a summary, or the most mentioned of its aspects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAX_THEMES = 4
_MIN_REVIEWS = 2
_PRAISED_SHARE = 0.5
_OMITTED_SHARE = 0.2
"""A complaint of at least this share of an aspect's mentions is named, however much praise there is."""


class Theme(NamedTuple):
    """``aspect``: its id, None where it has none. ``reviews``: how many say so. ``quote``: one in its own words."""

    aspect: str | None
    reviews: int
    quote: str


def themes_of(summary: Mapping[str, Any]) -> tuple[list[Theme], list[Theme]]:
    """Praise and complaints of a product-summary.v1, the most common first; at most MAX_THEMES of each."""
    highlights = summary.get("highlights")
    if highlights:
        return _highlighted(highlights.get("praise") or ()), _highlighted(highlights.get("complaints") or ())
    praise, complaints = [], []
    for aspect, one in (summary.get("aspects") or {}).items():
        counts, quote = one["windows"]["all"], one.get("quote")
        mentions, negative, positive = counts["mentions"], counts["negative"], counts["positive"]
        if positive >= _MIN_REVIEWS and positive >= _PRAISED_SHARE * mentions:
            praise.append(Theme(aspect, positive, _words(quote, "positive")))
        if negative >= _MIN_REVIEWS and negative >= _OMITTED_SHARE * mentions:
            complaints.append(Theme(aspect, negative, _words(quote, "negative")))
    return _most_common(praise), _most_common(complaints)


def _highlighted(found: Sequence[Mapping[str, Any]]) -> list[Theme]:
    return [Theme(one.get("aspect"), one["reviews"], _words(one.get("quote"))) for one in found[:MAX_THEMES]]


def _most_common(themes: list[Theme]) -> list[Theme]:
    return sorted(themes, key=lambda one: (-one.reviews, one.aspect or ""))[:MAX_THEMES]


def _words(quote: Mapping[str, Any] | None, label: str | None = None) -> str:
    """``label``: nothing is quoted that says the opposite."""
    if not quote or (label and quote.get("label") != label):
        return ""
    return str(quote["text"])
