"""When a text is to be made and a summary to be published: by counts alone, whatever the size of the product."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import ProductText, Themes
from stream_app.steps.due import publication_due_at, publication_waits_for_no_text, sentiment_moved, text_due_at
from stream_app.steps.fold import EMPTY_TALLY, ProductState, Tally
from tests.behaviour.enriched import NOW_MS, deletion, enriched

TEXT = ProductText("", "", "none", (), None, NOW_MS)
INTERVAL_MS = 60_000


def tally(negative: int, positive: int) -> Tally:
    return (negative, 0, positive, *EMPTY_TALLY[3:])


def described(then: Tally, now: Tally, new: int) -> ProductState:
    """A product whose text was made at NOW_MS, with this number of new reviews since."""
    return ProductState(
        "p",
        version=sum(now) + new,
        totals=now,
        arrived=sum(then) + new,
        text=TEXT,
        texts=1,
        text_arrived=sum(then),
        text_totals=then,
        text_made_at_ms=NOW_MS,
        themes=Themes(0, NOW_MS, ()),
    )


def test_text_is_due_at_once_where_there_are_reviews_and_none_yet() -> None:
    state = ProductState("p")
    state.apply(enriched())
    assert text_due_at(state, INTERVAL_MS) == 0

    state.apply(deletion())
    assert text_due_at(state, INTERVAL_MS) is None


@pytest.mark.parametrize(
    ("before", "new", "due"),
    [
        (1, 2, False),
        (1, 3, True),
        (20, 3, False),
        (20, 4, True),
        (249, 49, False),
        (245, 49, True),
        (100_000, 49, False),
        (100_000, 50, True),
        (100_000, 19_999, True),
    ],
)
def test_text_is_due_after_three_new_reviews_a_fifth_or_fifty(before: int, new: int, due: bool) -> None:
    state = described(tally(0, before), tally(0, before + new), new)

    assert text_due_at(state, INTERVAL_MS) == (NOW_MS + INTERVAL_MS if due else None)


def test_new_reviews_count_although_as_many_were_deleted() -> None:
    assert text_due_at(described(tally(0, 3), tally(0, 3), new=3), 0) == NOW_MS


def test_text_without_highlights_is_due() -> None:
    """One of an earlier version, or one that a rebuild brought back where Redis had lost the highlights."""
    state = described(tally(0, 3), tally(0, 3), new=0)
    assert text_due_at(state, INTERVAL_MS) is None

    state.themes = None
    assert text_due_at(state, INTERVAL_MS) == NOW_MS + INTERVAL_MS


def test_withdrawn_text_is_due_but_not_more_often_than_the_interval() -> None:
    state = ProductState("p")
    state.apply(enriched("r1"))
    state.apply(enriched("r2"))
    assert state.write_text(TEXT, {"r1": 0})
    state.apply(deletion("r1"))

    assert text_due_at(state, INTERVAL_MS) == NOW_MS + INTERVAL_MS
    assert publication_due_at(state, INTERVAL_MS) == 0


@pytest.mark.parametrize(
    ("then", "now", "moved"),
    [
        (tally(10, 990), tally(11, 1019), False),  # 1 of 30 new ones: z = 1.2
        (tally(10, 990), tally(20, 1010), True),  # 10 of 30
        (tally(10, 990), tally(14, 990), False),  # four new reviews are too few to judge
        (tally(10, 990), tally(15, 990), True),
        (tally(2, 2), tally(2, 500), False),  # four before are too few
        (tally(500, 500), tally(501, 540), True),  # it became better
        (tally(50, 50), tally(50, 50), False),
        (tally(50, 50), tally(20, 80), True),  # edits alone
        (tally(50, 50), tally(50, 0), True),  # deletions alone
        (EMPTY_TALLY, tally(50, 50), False),
    ],
)
def test_sentiment_moved_beyond_chance(then: Tally, now: Tally, moved: bool) -> None:
    assert sentiment_moved(then, now) is moved


_counts = st.integers(0, 200_000)


@given(then=st.builds(tally, _counts, _counts), now=st.builds(tally, _counts, _counts))
def test_sentiment_of_mirrored_counts_moves_alike(then: Tally, now: Tally) -> None:
    """Negative and the rest change places: the same z with another sign."""

    def mirrored(one: Tally) -> Tally:
        return tally(one[2], one[0])

    assert sentiment_moved(then, now) == sentiment_moved(mirrored(then), mirrored(now))


def test_sentiment_that_moved_makes_the_text_due() -> None:
    assert text_due_at(described(tally(10, 990), tally(15, 990), new=5), INTERVAL_MS) == NOW_MS + INTERVAL_MS


def test_publication_follows_what_changed() -> None:
    state = described(tally(0, 3), tally(0, 3), new=0)
    assert publication_due_at(state, 50_000) == 0, "it was never published"
    state.note_published(state.changes, NOW_MS)
    assert publication_due_at(state, 50_000) is None

    counts = replace(state, version=state.version + 1)
    assert publication_due_at(counts, 50_000) == NOW_MS + 50_000
    text = replace(counts, texts=2, text_changed=counts.changes + 1)
    assert publication_due_at(text, 50_000) == 0


def test_summary_of_the_view_before_a_rebuild_is_replaced_though_no_review_is_left() -> None:
    """It may quote reviews that were deleted since; a product that was never published has nothing to withdraw."""
    state = ProductState("p")
    state.apply(deletion())
    assert publication_due_at(state, 50_000) is None
    assert not publication_waits_for_no_text(state)

    state.note_published(-1, NOW_MS)
    assert publication_due_at(state, 50_000) == 0
    assert publication_waits_for_no_text(state)


def test_server_that_forgot_its_last_moments_is_published_again() -> None:
    state = described(tally(0, 3), tally(0, 3), new=0)
    state.note_published(state.changes + 5, NOW_MS)

    assert publication_due_at(state, 50_000) == NOW_MS + 50_000
