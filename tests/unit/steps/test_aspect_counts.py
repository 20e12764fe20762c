"""What a review says of aspects, and how it is counted."""

from __future__ import annotations

from stream_app.records import EnrichedReview, Opinion
from stream_app.steps.aspect_counts import plus_said, said_of_aspects, total
from tests.behaviour.enriched import deletion, enriched, opinion


def review_with(*opinions: Opinion) -> EnrichedReview:
    return enriched(opinions=opinions)


def test_review_counts_once_per_aspect_however_often_it_says_it() -> None:
    review = review_with(opinion("negative", "look"), opinion("negative", "look", "value"), opinion("neutral", "look"))

    assert said_of_aspects(review) == (("-", "look"), ("-", "value"))
    assert plus_said({}, said_of_aspects(review), 1) == {"look": (1, 1, 0), "value": (1, 1, 0)}


def test_review_that_praises_and_criticizes_is_one_mention_of_both_kinds() -> None:
    """Its net is 0."""
    review = review_with(opinion("negative", "look"), opinion("positive", "look"))

    assert said_of_aspects(review) == (("*", "look"),)
    assert plus_said({}, said_of_aspects(review), 1) == {"look": (1, 1, 1)}


def test_mention_without_a_judgement_is_neither() -> None:
    """A hazard may be stated in a neutral sentence."""
    assert plus_said({"safety": (4, 1, 2)}, said_of_aspects(review_with(opinion("neutral", "safety"))), 1) == {
        "safety": (5, 1, 2)
    }


def test_unknown_aspects_are_passed_over() -> None:
    assert said_of_aspects(review_with(opinion("positive", "x" * 1000, "", "quality"))) == (("+", "quality"),)


def test_reviews_without_opinions_say_nothing() -> None:
    assert said_of_aspects(enriched()) == said_of_aspects(deletion()) == ()


def test_taking_away_is_the_inverse_of_adding() -> None:
    said = said_of_aspects(review_with(opinion("negative", "look"), opinion("positive", "look", "value")))
    before = {"look": (2, 1, 1), "sound": (1, 0, 0)}

    assert plus_said(plus_said(before, said, 1), said, -1) == before


def test_total_sums_by_aspect() -> None:
    assert total({"look": (1, 1, 0)}, {}, {"look": (2, 0, 1), "value": (1, 0, 0)}) == {
        "look": (3, 1, 1),
        "value": (1, 0, 0),
    }
