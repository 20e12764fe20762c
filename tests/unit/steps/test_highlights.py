"""Themes are read as what standing reviews say, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from stream_app.records import Evidence, Highlight, Label, Mention, Place, PlacedQuote, Theme, Themes
from stream_app.steps.highlights import MOST_EVIDENCE, highlights_of, is_withdrawn, without_reviews


def kept(review_id: str, **changes: Any) -> Evidence:
    """A review of which "It broke.", which begins at 40 of its text, is kept behind another sentence."""
    fields: dict[str, Any] = {"revision": 3, "mentions": (Mention(4, 13, "negative", (), 40),)}
    return Evidence(
        review_id, created_at_ms=0, label=None, p_negative=0, rating=None, sentence="Hm.\nIt broke.", **fields | changes
    )


def themes(*review_ids: str, label: Label = "negative") -> Themes:
    return Themes(9, 5, (Theme(label, None, tuple(Place(one, 3, 40) for one in review_ids)),))


def shown(of: Themes, *sentences: Evidence) -> tuple[Highlight, ...]:
    highlights = highlights_of(of, {one.review_id: one for one in sentences})
    assert highlights is not None
    return highlights.praise + highlights.complaints


def test_quote_is_the_sentence_with_its_place_in_the_review() -> None:
    quote = PlacedQuote("b", 3, 40, 49, "It broke.")
    assert shown(themes("b", "a"), kept("a"), kept("b")) == (Highlight(2, None, quote, ("b", "a")),)


@pytest.mark.parametrize(
    "changes",
    [{"revision": 4}, {"mentions": ()}, {"mentions": (Mention(4, 13, "positive", (), 40),)},
     {"mentions": (Mention(4, 13, "negative", (), 41),)}, {"mentions": (Mention(4, 13, "negative", ()),)}],
)  # fmt: skip
def test_review_whose_kept_words_say_something_else_does_not_count(changes: dict[str, Any]) -> None:
    [left] = shown(themes("a", "b"), kept("a", **changes), kept("b"))

    assert (left.reviews, left.evidence, left.quote.review_id) == (1, ("b",), "b")
    assert shown(themes("a"), kept("a", **changes)) == ()


def test_review_without_kept_words_counts_where_another_can_be_quoted() -> None:
    [found] = shown(themes("old", "new"), kept("new"))

    assert (found.reviews, found.evidence) == (2, ("new", "old"))
    assert shown(themes("old", "older")) == ()


def test_most_reviews_come_first_and_twenty_are_named() -> None:
    names = [f"r{n}" for n in range(MOST_EVIDENCE + 5)]
    both = Themes(64, 5, (*themes("a", "b").themes, *themes(*names).themes, *themes("a", label="positive").themes))

    highlights = highlights_of(both, {one: kept(one) for one in ("a", "b", *names)})
    assert highlights is not None
    assert highlights.praise == (), "its sentence complains"
    assert [one.reviews for one in highlights.complaints] == [25, 2]
    assert highlights.complaints[0].evidence == tuple(names[:MOST_EVIDENCE])


def test_reviews_are_taken_from_every_theme() -> None:
    both = Themes(9, 5, themes("a", "b").themes + themes("b", "c").themes)
    left = without_reviews(both, {"b"})

    assert left is not None
    assert [[place.review_id for place in one.places] for one in left.themes] == [["a"], ["c"]]
    assert without_reviews(None, {"b"}) is None


def test_themes_without_a_standing_review_are_withdrawn() -> None:
    assert is_withdrawn(themes("a"), highlights_of(themes("a"), {}))
    assert not is_withdrawn(themes("a"), highlights_of(themes("a"), {"a": kept("a")}))
    assert not is_withdrawn(Themes(9, 5, ()), highlights_of(Themes(9, 5, ()), {}))
    assert not is_withdrawn(None, None)
