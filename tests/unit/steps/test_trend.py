"""The last 7 days against the 28 before."""

from __future__ import annotations

import pytest

from stream_app.records import Comparison
from stream_app.steps.aspect_counts import AspectTally
from stream_app.steps.fold import Tally
from stream_app.steps.trend import MIN_COMPARED, trend

TODAY = 20_000


def reviews(negative: int, positive: int) -> Tally:
    """Bad ones of one star, good ones of five."""
    return (negative, 0, positive, 0, negative, 0, 0, 0, positive, 0)


def of_aspects(*days: tuple[int, str, AspectTally]) -> dict[str, Comparison]:
    by_day: dict[int, dict[str, AspectTally]] = {}
    for ago, aspect, tally in days:
        by_day.setdefault(TODAY - ago, {})[aspect] = tally
    return trend({}, by_day, TODAY).aspects


@pytest.mark.parametrize(
    ("recent", "before", "change"),
    [
        (reviews(10, 10), reviews(4, 76), "worse"),
        (reviews(2, 78), reviews(10, 10), "better"),
        (reviews(3, 17), reviews(10, 70), "none"),
        (reviews(MIN_COMPARED - 1, 0), reviews(0, 500), "too_few"),
        (reviews(100, 0), reviews(0, MIN_COMPARED - 1), "too_few"),
        (reviews(8, 0), reviews(0, 8), "worse"),
    ],
)
def test_change_is_reported_where_chance_does_not_explain_it(recent: Tally, before: Tally, change: str) -> None:
    found = trend({TODAY: recent, TODAY - 20: before}, {}, TODAY)

    assert (found.negative.change, found.stars.change) == (change, change)


def test_numbers_say_what_was_compared() -> None:
    found = trend({TODAY: reviews(10, 10), TODAY - 20: reviews(4, 76)}, {}, TODAY)

    assert found.negative == Comparison(0.5, 20, 0.05, 80, 0.0, "worse")
    assert found.stars == Comparison(3.0, 20, 4.8, 80, 0.0, "worse")
    assert (found.recent_from_ms, found.before_from_ms) == ((TODAY - 7) * 86_400_000, (TODAY - 35) * 86_400_000)


def test_counts_that_cannot_be_break_no_look_up() -> None:
    impossible = (20, 0, -4, 0, 12, 0, 0, 0, -1, 0)
    found = trend({TODAY: impossible, TODAY - 20: reviews(4, 76)}, {TODAY: {"look": (9, 11, -1)}}, TODAY)

    assert (found.negative.change, found.stars.change, found.aspects["look"].change) == ("too_few",) * 3


def test_product_without_reviews_has_too_few() -> None:
    nothing = Comparison(None, 0, None, 0, None, "too_few")

    found = trend({}, {}, TODAY)
    assert (found.negative, found.stars, found.aspects) == (nothing, nothing, {})


@pytest.mark.parametrize(
    ("ago", "recent", "before"),
    [(-1, 0, 0), (0, 1, 0), (7, 1, 0), (8, 0, 1), (35, 0, 1), (36, 0, 0)],
)
def test_day_belongs_to_one_period(ago: int, recent: int, before: int) -> None:
    """A day ahead of the clock, and one that is too old, to none."""
    found = trend({TODAY - ago: reviews(1, 0)}, {TODAY - ago: {"look": (1, 1, 0)}}, TODAY)

    assert (found.negative.recent_reviews, found.negative.before_reviews) == (recent, before)
    assert (found.stars.recent_reviews, found.stars.before_reviews) == (recent, before)
    of_look = found.aspects.get("look", Comparison(None, 0, None, 0, None, "too_few"))
    assert (of_look.recent_reviews, of_look.before_reviews) == (recent, before)


def test_aspects_are_compared_by_the_share_of_their_mentions_that_criticize() -> None:
    found = of_aspects((0, "look", (20, 15, 6)), (20, "look", (40, 4, 36)), (1, "value", (3, 0, 3)))

    assert found["look"] == Comparison(0.75, 20, 0.1, 40, 0.0, "worse")
    assert found["value"] == Comparison(0.0, 3, None, 0, None, "too_few")


def test_one_of_many_aspects_needs_a_clearer_change() -> None:
    """Else every hundredth aspect would change by chance alone."""
    changed = [(0, "look", (20, 9, 0)), (20, "look", (80, 10, 0))]
    others = [(ago, f"aspect_{n}", (50, 5, 0)) for n in range(15) for ago in (0, 20)]

    alone, among_many = of_aspects(*changed)["look"], of_aspects(*changed, *others)["look"]
    assert alone.p_value == among_many.p_value
    assert (alone.change, among_many.change) == ("worse", "none")


def test_days_that_are_missing_are_not_made_up() -> None:
    """A view that kept 32 days has fewer days before."""
    found = trend({TODAY - ago: reviews(1, 9) for ago in range(33)}, {}, TODAY)

    assert (found.negative.recent_reviews, found.negative.before_reviews, found.negative.change) == (80, 250, "none")
