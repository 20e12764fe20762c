"""How much each sentence of a product's reviews says of the product, in standard deviations of its language's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, pstdev

from stream_app.records import Label
from stream_app.steps.nearness import Nearness
from stream_app.steps.product_sentences import Quotable

# weights of the measures; docs/decisions/0021-product-text.md says what each of them is worth
_NEAR_ALL = 0.75  # to all sentences of other reviews, on average: what the product is about
_NEAR_BEST = 0.5  # to the nearest sentence of each other review: how many reviews say it
_TELLING = 0.6
_PRAISE = 0.5  # for a positive review
_COMPLAINT = 1.5  # for a negative review: most say something friendly too, which is not why they are negative
_OTHER_LANGUAGE = -100.0  # never before a sentence of the language that most of the reviews have
_TONES: dict[Label | None, float] = {"positive": _PRAISE, "negative": -_COMPLAINT}


def scores(found: Sequence[Quotable], nearness: Nearness) -> list[float]:
    """One score per sentence, rounded to 3 decimals: centrality over other reviews, statement, tone, style."""
    result = [0.0] * len(found)
    reviews = {one.review.review_id: one.language for one in found}
    languages = Counter(reviews.values())
    main = min(languages, key=lambda language: (-languages[language], language), default="")
    for language in languages:
        members = [index for index, one in enumerate(found) if one.language == language]
        near_all, near_best = _centrality(found, nearness, members)
        measures = (
            (_NEAR_ALL, _standardized(near_all)),
            (_NEAR_BEST, _standardized(near_best)),
            (_TELLING, _standardized([nearness.telling[index] for index in members])),
        )
        praise = _standardized([nearness.praise[index] for index in members])
        for place, index in enumerate(members):
            one = found[index]
            score = sum(weight * values[place] for weight, values in measures) - one.cost
            score += _TONES.get(one.review.label, 0.0) * praise[place]
            result[index] = round(score if language == main else score + _OTHER_LANGUAGE, 3)
    return result


def _centrality(
    found: Sequence[Quotable], nearness: Nearness, members: Sequence[int]
) -> tuple[list[float], list[float]]:
    """Of each member: mean similarity to the sentences of other reviews, and to the nearest sentence of each."""
    of_reviews: dict[str, list[int]] = {}
    for index in members:
        of_reviews.setdefault(found[index].review.review_id, []).append(index)
    near_all, near_best = [], []
    for index in members:
        row = nearness.between[index]
        others = [
            [row[other] for other in own]
            for review_id, own in of_reviews.items()
            if review_id != found[index].review.review_id
        ]
        flat = [similarity for own in others for similarity in own]
        near_all.append(fmean(flat) if flat else 0.0)
        near_best.append(fmean(map(max, others)) if others else 0.0)
    return near_all, near_best


def _standardized(values: Sequence[float]) -> list[float]:
    """Mean 0 and standard deviation 1; zeros where all are equal."""
    mean, deviation = fmean(values), pstdev(values)
    if deviation < 1e-6:
        return [0.0] * len(values)
    return [(value - mean) / deviation for value in values]
