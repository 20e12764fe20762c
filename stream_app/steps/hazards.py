"""Whether an enriched review speaks of a hazard, and which of a product's reviews do."""

from __future__ import annotations

from collections.abc import Mapping

from stream_app.records import EnrichedReview

MAX_HAZARDS = 64
"""Of a product, the newest ones: many more than a cluster needs. One that was dropped does not come back where a newer
one is deleted."""

_MOST_STARS = 3


def speaks_of_hazard(review: EnrichedReview) -> bool:
    """Does it name a hazard by safety terms, with at most three stars or none?

    Not by the model alone: four of five that it finds are none, and a popular product has many reviews (decision 51).
    """
    if review.kind == "deleted" or (review.rating or 0) > _MOST_STARS:
        return False
    return bool(review.safety_words)


def with_hazard(hazards: Mapping[str, int], review_id: str, hour: int | None) -> dict[str, int]:
    """The newest reviews that speak of a hazard, and their hours, with this one. ``hour``: None where it does not."""
    noted = {one: at for one, at in hazards.items() if one != review_id}
    if hour is not None:
        noted[review_id] = hour
        if len(noted) > MAX_HAZARDS:
            del noted[min(noted, key=lambda one: (noted[one], one.encode()))]
    return noted
