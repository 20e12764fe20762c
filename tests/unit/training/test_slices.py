"""Parts of the data are what the reviews state, each with its own scores."""

from __future__ import annotations

from stream_app.records import Label, Scores
from stream_app.training.data import LabelledReview
from stream_app.training.slices import Part, slices

POSITIVE, NEGATIVE = Scores(0.1, 0.1, 0.8), Scores(0.8, 0.1, 0.1)


def review(label: Label, words: int = 3, rating: int | None = None, domain: str = "") -> LabelledReview:
    return LabelledReview("", " ".join(["word"] * words), label, True, rating=rating, domain=domain)


def test_reviews_are_grouped_by_length_and_stars() -> None:
    reviews = [review("positive", 19, 5), review("negative", 20, 1), review("negative", 250, 1)]
    found = slices(reviews, [POSITIVE, POSITIVE, NEGATIVE])
    assert list(found) == ["words", "stars"]
    assert {name: part.accuracy for name, part in found["words"].items()} == {"0-19": 1, "20-49": 0, "200+": 1}
    assert found["stars"] == {"1": Part(2, 0.5, None, 0.5), "5": Part(1, 1.0, None, 1.0)}


def test_macro_f1_is_of_parts_with_several_labels_alone() -> None:
    reviews = [review("positive", domain="food"), review("negative", domain="food"), review("neutral", domain="toys")]
    found = slices(reviews, [POSITIVE, NEGATIVE, POSITIVE])["domain"]
    assert found == {"food": Part(2, 1.0, 1.0, 1.0), "toys": Part(1, 0.0, None, None)}


def test_only_the_largest_domains_are_shown() -> None:
    names = [name for number in range(20) for name in [f"domain {number}"] * (number + 1)]
    reviews = [review("positive", domain=name) for name in names]
    assert list(slices(reviews, [POSITIVE] * len(reviews))["domain"])[:2] == ["domain 19", "domain 18"]
    assert len(slices(reviews, [POSITIVE] * len(reviews))["domain"]) == 15
