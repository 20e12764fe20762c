"""Whether an enriched review speaks of a hazard."""

from __future__ import annotations

from stream_app.records import EnrichedReview

_MOST_STARS = 3


def speaks_of_hazard(review: EnrichedReview) -> bool:
    """Does the rule ``safety`` hold: safety terms, or a sentence about a hazard, with at most three stars or none?"""
    if review.kind == "deleted" or (review.rating or 0) > _MOST_STARS:
        return False
    return bool(review.safety_words) or any(opinion.hazard for opinion in review.opinions or ())
