"""Themes in the state of a product: places without words, a line for each review."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import LABELS, Place, Theme, Themes
from stream_app.store.theme_packing import pack_themes, unpack_themes

IDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=128)
PLACES = st.lists(
    st.builds(Place, IDS, st.integers(0, 2**53 - 1), st.integers(0, 20_000)),
    max_size=4,
    unique_by=lambda one: one.review_id,
)
THEMES = st.lists(
    st.builds(Theme, st.sampled_from(LABELS), st.none() | st.just("smell_and_taste"), PLACES.map(tuple)), max_size=10
)


def packed(themes: Themes) -> bytes:
    """As write_text.lua joins it."""
    first, lines = pack_themes(themes)
    return "".join(f"{line}\n" for line in (first, *("\t".join(map(str, one)) for one in lines))).encode()


@given(THEMES)
def test_themes_come_back_as_they_were(themes: list[Theme]) -> None:
    written = Themes(64, 1_700_000_000_000, tuple(themes))

    assert unpack_themes(packed(written)) == written


def test_review_has_one_line_without_words() -> None:
    places = tuple(Place(one, 0, 7) for one in ("a b", "c:d"))
    themes = Themes(2, 5, (Theme("negative", "look", places), Theme("positive", None, places[:1])))

    assert packed(themes) == b"2 5 -look +\na b\t0\t0:0:7 1:0:7\nc:d\t0\t0:1:7\n"


def test_ten_themes_of_64_reviews_are_small() -> None:
    """With ids as shops have them; bounded by 10 places in each of 64 reviews."""
    places = tuple(Place(f"review-{n:06}", 0, 123) for n in range(64))
    themes = Themes(64, 1_700_000_000_000, tuple(Theme("negative", "durability", places) for _ in range(10)))

    assert len(packed(themes)) < 7_500
