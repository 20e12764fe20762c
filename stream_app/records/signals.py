"""What other teams join on."""

from __future__ import annotations

from stream_app.records.immutable import value
from stream_app.records.summaries import STATE_VERSIONS_PER_GENERATION
from stream_app.records.trends import Change


@value
class Estimate:
    """A posterior mean, and the ends of its 95 % credible interval."""

    value: float
    low: float
    high: float


@value
class TopAspect:
    """The aspect that most reviews praise (or criticize): how many do, of how many that mention it."""

    aspect: str
    reviews: int
    mentions: int


@value
class ProductSignals:
    """What other teams join on, as of ``as_of_ms``; see steps/signals.py.

    ``score``: stars. ``negative_share``: of the ``judged`` reviews, those with a sentiment; ``negative``: their number.
    ``mismatch_share``: of the ``rated`` ones, those with stars; None without any. ``reviews_per_day``: by days.
    """

    product_id: str
    as_of_ms: int
    state_version: int
    reviews: int
    low_evidence: bool
    score: Estimate
    rated: int
    negative_share: Estimate
    negative: int
    judged: int
    trend: Change
    praise: TopAspect | None
    complaint: TopAspect | None
    mismatches: int
    mismatch_share: float | None
    reviews_per_day: dict[int, float]
    last_review_at_ms: int | None

    @property
    def generation(self) -> int:
        """The generation of the view that it was read from."""
        return self.state_version // STATE_VERSIONS_PER_GENERATION
