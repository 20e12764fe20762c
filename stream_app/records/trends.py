"""How the last days of a product differ from those before."""

from __future__ import annotations

from typing import Literal

from stream_app.records.immutable import value

Change = Literal["better", "worse", "none", "too_few"]


@value
class Comparison:
    """A number of the last 7 days against that of the 28 before; None: of no reviews.

    ``recent_reviews``, ``before_reviews``: how many it is of. ``p_value``: how likely a difference as large, either
    way, is by chance alone; None where there are too few to say.
    """

    recent: float | None
    recent_reviews: int
    before: float | None
    before_reviews: int
    p_value: float | None
    change: Change


@value
class Trend:
    """The last 7 days (the current UTC day and the 7 before it) against the 28 days before them.

    ``recent_from_ms``, ``before_from_ms``: the first moment of each. ``negative``: share of the reviews with a
    sentiment. ``stars``: their mean. ``aspects``: by id, share of the mentions that criticize.
    """

    recent_from_ms: int
    before_from_ms: int
    negative: Comparison
    stars: Comparison
    aspects: dict[str, Comparison]
