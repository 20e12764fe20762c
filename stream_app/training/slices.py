"""Scores a classifier on parts of the reviews: by length, stars, domain and language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stream_app.records import Scores
from stream_app.steps.summary_text import word_count
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import score_sentiment

_LENGTHS = (0, 20, 50, 100, 200)  # words: where the parts begin
_MOST_PARTS = 15  # the smaller ones are left out


@dataclass(frozen=True, slots=True)
class Part:
    """``macro_f1``: None where all reviews have one label. ``binary_accuracy``: None where all are neutral."""

    reviews: int
    accuracy: float
    macro_f1: float | None
    binary_accuracy: float | None


def slices(reviews: Sequence[LabelledReview], scores: Sequence[Scores]) -> dict[str, dict[str, Part]]:
    """By property (``words``, ``stars``, ``domain``, ``language``) and value, without what is the same for all."""
    found: dict[str, dict[str, Part]] = {}
    for name, (value_of, in_order) in _PROPERTIES.items():
        values = [value_of(review) for review in reviews]
        counts = Counter(value for value in values if value)
        kept = [value for value, _ in counts.most_common(_MOST_PARTS)]
        if in_order is not None:
            kept.sort(key=in_order)
        if len(kept) > 1 or (kept and name == "words"):
            found[name] = {
                value: _part([at for at, other in enumerate(values) if other == value], reviews, scores)
                for value in kept
            }
    return found


def _part(places: Sequence[int], reviews: Sequence[LabelledReview], scores: Sequence[Scores]) -> Part:
    of = score_sentiment([reviews[at] for at in places], [scores[at] for at in places])
    several = sum(one.reviews > 0 for one in of.labels.values()) > 1
    return Part(of.reviews, of.accuracy, of.macro_f1 if several else None, of.binary_accuracy)


def _words(review: LabelledReview) -> str:
    words = word_count(review.model_text)
    number = max(at for at, start in enumerate(_LENGTHS) if start <= words)
    return f"{_LENGTHS[number]}+" if number + 1 == len(_LENGTHS) else f"{_LENGTHS[number]}-{_LENGTHS[number + 1] - 1}"


def _stars(review: LabelledReview) -> str:
    return "" if review.rating is None else str(review.rating)


def _first_number(value: str) -> int:
    return int(value.partition("-")[0].rstrip("+"))


_PROPERTIES: dict[str, tuple[Callable[[LabelledReview], str], Callable[[str], int] | None]] = {
    "words": (_words, _first_number),
    "stars": (_stars, _first_number),
    "domain": (lambda review: review.domain, None),
    "language": (lambda review: review.language, None),
}
"""Of each property: its value, "" where it is unknown, and what orders the values (None: the most reviews first)."""
