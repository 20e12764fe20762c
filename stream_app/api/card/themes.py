"""What the card names as praise and complaints: the highlights of a summary, and its most mentioned other aspects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAX_THEMES = 4
_MIN_REVIEWS = 2
_HAZARD = "safety"
"""The aspect that is named from one complaint on: whoever buys the product must know."""
_PRAISED_SHARE = 0.5
_OMITTED_SHARE = 0.2
"""A complaint of at least this share of an aspect's mentions is named, however much praise there is."""


class Theme(NamedTuple):
    """``aspect``: its id, None where it has none. ``reviews``: how many say so. ``quote``: one in its own words."""

    aspect: str | None
    reviews: int
    quote: str


def themes_of(summary: Mapping[str, Any]) -> tuple[list[Theme], list[Theme]]:
    """Praise and complaints of a product-summary.v1, at most MAX_THEMES of each: a hazard, then the highlights, then
    the most mentioned aspects that no highlight speaks of.

    Highlights are what several reviews say alike. Where people complain each in their own words there are none.
    """
    highlights = summary.get("highlights") or {}
    praise, complaints = (_highlighted(highlights.get(label) or ()) for label in ("praise", "complaints"))
    praised, criticized = ({one.aspect for one in themes} for themes in (praise, complaints))
    more_praise, more_complaints = [], []
    for aspect, one in (summary.get("aspects") or {}).items():
        counts, quote = one["windows"]["all"], one.get("quote")
        mentions, negative, positive = counts["mentions"], counts["negative"], counts["positive"]
        if aspect not in praised and positive >= _MIN_REVIEWS and positive >= _PRAISED_SHARE * mentions:
            more_praise.append(Theme(aspect, positive, _words(quote, "positive")))
        is_common = negative >= _MIN_REVIEWS and negative >= _OMITTED_SHARE * mentions
        if aspect not in criticized and (is_common or (negative and aspect == _HAZARD)):
            more_complaints.append(Theme(aspect, negative, _words(quote, "negative")))
    complaints = sorted([*complaints, *_most_common(more_complaints)], key=lambda one: one.aspect != _HAZARD)
    return [*praise, *_most_common(more_praise)][:MAX_THEMES], complaints[:MAX_THEMES]


def _highlighted(found: Sequence[Mapping[str, Any]]) -> list[Theme]:
    return [Theme(one.get("aspect"), one["reviews"], _words(one.get("quote"))) for one in found]


def _most_common(themes: Sequence[Theme]) -> list[Theme]:
    return sorted(themes, key=lambda one: (-one.reviews, one.aspect or ""))


def _words(quote: Mapping[str, Any] | None, label: str | None = None) -> str:
    """``label``: nothing is quoted that says the opposite."""
    if not quote or (label and quote.get("label") != label):
        return ""
    return str(quote["text"])
