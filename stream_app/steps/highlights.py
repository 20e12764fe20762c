"""Reads a product's themes as highlights: with the words and the counts of the reviews that stand, and no others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from stream_app.records import Evidence, Highlight, Highlights, Label, PlacedQuote, Theme, Themes

MOST_EVIDENCE = 20
"""Ids of reviews that are named as evidence."""


_Spoken = dict[tuple[str, int, int | None, Label], str]
"""What is kept, by review, revision, where it begins and its label."""


def highlights_of(themes: Themes | None, sentences: Mapping[str, Evidence]) -> Highlights | None:
    """The themes in words. ``sentences``: those kept, by review. None: none were made yet.

    A review that is no longer among the newest, whose sentences are not kept, counts: the state drops the places of
    reviews that are edited or deleted. One whose kept sentences are of another revision, or say something else there,
    does not. The first place whose words are kept is quoted; without one the theme vanishes.
    """
    if themes is None:
        return None
    found: dict[Label, list[Highlight]] = {"positive": [], "negative": []}
    spoken: _Spoken = {
        (one.review_id, one.revision, mention.begins, mention.label): one.sentence[mention.start : mention.end]
        for one in sentences.values()
        for mention in one.mentions
    }
    for theme in themes.themes:
        highlight = _highlight(theme, sentences, spoken)
        if highlight is not None and theme.label in found:
            found[theme.label].append(highlight)
    praise, complaints = (tuple(sorted(found[label], key=lambda one: -one.reviews)) for label in found)
    return Highlights(themes.read, themes.made_at_ms, praise, complaints)


def is_withdrawn(themes: Themes | None, highlights: Highlights | None) -> bool:
    """Were themes found of which none is left?"""
    return bool(themes and themes.themes and highlights and not (highlights.praise or highlights.complaints))


def without_reviews(themes: Themes | None, gone: Collection[str]) -> Themes | None:
    """The same themes without the places in these reviews; one may have no place any more."""
    if themes is None or not gone:
        return themes
    left = [
        replace(theme, places=tuple(place for place in theme.places if place.review_id not in gone))
        for theme in themes.themes
    ]
    return replace(themes, themes=tuple(left))


def _highlight(theme: Theme, sentences: Mapping[str, Evidence], spoken: _Spoken) -> Highlight | None:
    standing: list[str] = []
    quote: PlacedQuote | None = None
    for place in theme.places:
        text = spoken.get((*place, theme.label))
        if text is None and place.review_id in sentences:
            continue  # guarantee: highlights-count-what-stands
        if text is None or quote is not None:
            standing.append(place.review_id)
            continue
        standing.insert(0, place.review_id)
        quote = PlacedQuote(place.review_id, place.revision, place.begins, place.begins + len(text), text)
    if quote is None:
        return None
    return Highlight(len(standing), theme.aspect, quote, tuple(standing[:MOST_EVIDENCE]))
