"""A slice counts the kept reviews that are in it, each once, and quotes them with their place."""

from __future__ import annotations

from typing import Any

import pytest

from stream_app.records import AspectCounts, Evidence, Mention
from stream_app.steps.slices import AspectOfSlice, Filter, SliceQuote, slice_of

HOUR_MS = 3_600_000
NOW_MS = 500_000 * HOUR_MS + 1_234
TEXT = "Boils fast.\nThe lid broke."


def kept(review_id: str, **changes: Any) -> Evidence:
    fields: dict[str, Any] = {"created_at_ms": NOW_MS, "label": "negative", "rating": 1, "language": "en"}
    return Evidence(review_id, 2, p_negative=9_000, sentence=TEXT, **fields | changes)


def lid(label: Any = "negative", *aspects: str, begins: int | None = 40) -> Mention:
    return Mention(12, 26, label, aspects or ("quality",), begins)


def chosen(of: Filter, *reviews: Evidence) -> list[str]:
    return [one.review_id for one in reviews if of.holds(one, NOW_MS)]


REVIEWS = (
    kept("en1"),
    kept("en5", rating=5),
    kept("zh1", language="zh"),
    kept("none", rating=None, language=None),
    kept("und2", rating=2, language="und"),
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Filter(), ["en1", "en5", "zh1", "none", "und2"]),
        (Filter(languages=("zh",)), ["zh1"]),
        (Filter(languages=("und", "zh")), ["zh1", "und2"]),
        (Filter(stars=(1, 2)), ["en1", "zh1", "und2"]),
        (Filter(languages=("en",), stars=(5,)), ["en5"]),
        (Filter(languages=("fr",)), []),
    ],
)
def test_slice_is_by_language_and_by_stars(asked: Filter, expected: list[str]) -> None:
    assert chosen(asked, *REVIEWS) == expected


def test_windows_are_those_of_a_summary() -> None:
    """The hour of the clock and the hours before it; a review that is dated ahead is in ``all`` alone."""
    now_hour = NOW_MS // HOUR_MS
    hours = {"ahead": 1, "now": 0, "day": -24, "older": -25, "week": -7 * 24, "month": -30 * 24, "oldest": -30 * 24 - 1}
    reviews = [kept(name, created_at_ms=(now_hour + hour) * HOUR_MS) for name, hour in hours.items()]

    found = {window: chosen(Filter(window=window), *reviews) for window in ("24h", "7d", "30d", "all")}
    assert found == {
        "24h": ["now", "day"],
        "7d": ["now", "day", "older", "week"],
        "30d": ["now", "day", "older", "week", "month"],
        "all": list(hours),
    }


def test_counts_are_of_the_slice_and_kept_reviews_of_all() -> None:
    reviews = (
        kept("a", created_at_ms=NOW_MS - 5),
        kept("b", label="positive", rating=2, created_at_ms=NOW_MS - 9),
        kept("c", label=None, rating=2),
        kept("d", label="positive", rating=5),
    )

    found = slice_of(reviews, Filter(stars=(1, 2)), NOW_MS)
    counts = found.counts
    assert (counts.reviews, counts.negative, counts.neutral, counts.positive, counts.unknown) == (3, 1, 0, 1, 1)
    assert (counts.stars, counts.mean_rating) == ((1, 2, 0, 0, 0), 5 / 3)
    assert (found.kept_reviews, found.from_ms, found.to_ms) == (4, NOW_MS - 9, NOW_MS)


def test_empty_slice_has_no_dates_and_no_mean() -> None:
    found = slice_of(REVIEWS, Filter(languages=("fr",)), NOW_MS)

    assert (found.kept_reviews, found.counts.reviews, found.counts.mean_rating) == (5, 0, None)
    assert (found.from_ms, found.to_ms, found.aspects) == (None, None, {})


def test_review_counts_once_per_aspect_and_polarity() -> None:
    fast = Mention(0, 11, "positive", ("quality", "function"), 0)
    reviews = (
        kept("a", mentions=(fast, lid(), lid())),
        kept("b", mentions=(lid(),)),
        kept("c", mentions=(lid("neutral", "safety"),)),
        kept("d", rating=5, mentions=(lid("negative", "delivery"),)),
    )

    found = slice_of(reviews, Filter(stars=(1,)), NOW_MS)
    assert {aspect: one.counts for aspect, one in found.aspects.items()} == {
        "quality": AspectCounts(2, 2, 1),
        "function": AspectCounts(1, 0, 1),
        "safety": AspectCounts(1, 0, 0),
    }
    assert list(found.aspects) == ["quality", "function", "safety"]


def test_quote_is_of_the_slice_with_its_place_in_the_review() -> None:
    reviews = (kept("new", rating=5, mentions=(lid(),)), kept("old", created_at_ms=NOW_MS - 1, mentions=(lid(),)))

    expected = SliceQuote("old", 2, "negative", 40, 54, "The lid broke.")
    assert slice_of(reviews, Filter(stars=(1,)), NOW_MS).aspects == {
        "quality": AspectOfSlice(AspectCounts(1, 1, 0), expected)
    }


def test_quote_kept_before_places_were_noted_has_none() -> None:
    [found] = slice_of((kept("a", mentions=(lid(begins=None),)),), Filter(), NOW_MS).aspects.values()

    assert (found.quote.start, found.quote.end, found.quote.text) == (None, None, "The lid broke.")
