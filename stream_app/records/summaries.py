"""What a product page shows: counts, text, aspects, highlights."""

from __future__ import annotations

from dataclasses import field

from stream_app.records.answers import Label, ModelName
from stream_app.records.digests import Digest
from stream_app.records.enriched import SummaryMethod
from stream_app.records.immutable import value
from stream_app.records.trends import Trend


@value
class Counts:
    """What a window of time holds. ``unknown``: without a sentiment. ``stars``: how many of 1, 2, 3, 4, 5."""

    reviews: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    unknown: int = 0
    stars: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    p_negative_sum: int = 0  # probability x 10,000, summed: integers, so that order never matters

    @property
    def mean_rating(self) -> float | None:
        """Mean of the stars given (1 to 5), None when there are none."""
        rated = sum(self.stars)
        return sum(star * n for star, n in enumerate(self.stars, start=1)) / rated if rated else None

    @property
    def net_sentiment(self) -> float | None:
        """(positive - negative) / reviews with a sentiment: -1 to 1, None without any."""
        judged = self.negative + self.neutral + self.positive
        return (self.positive - self.negative) / judged if judged else None


@value
class ProductText:
    """Headline and text of a product, with the reviews that it rests on and how it was made."""

    headline: str
    text: str
    method: SummaryMethod
    evidence: tuple[str, ...]  # review ids
    model: ModelName | None
    made_at_ms: int


@value
class TextBasis:
    """What a product's text is made of: how often a review had arrived when its sentences were read, and the totals
    then, in the order of steps/fold.Tally.
    """

    arrived: int
    totals: tuple[int, ...]


STATE_VERSIONS_PER_GENERATION = 2**32
"""More changes than a product has in one generation; 2^21 generations leave state_version a safe integer of JSON."""


def state_version_of(generation: int, changes: int) -> int:
    """The published ``state_version`` after ``changes`` of a product in this generation of the view.

    A rebuild counts from 0 again, usually fewer changes: with the generation in front it never falls.
    """
    return generation * STATE_VERSIONS_PER_GENERATION + changes  # guarantee: state-version-never-falls


def changes_of(state_version: int) -> int:
    """How many changes of the product within its generation a published ``state_version`` names."""
    return state_version % STATE_VERSIONS_PER_GENERATION


@value
class AspectCounts:
    """How many reviews mention an aspect, how many criticize and how many praise it; some do both, some neither."""

    mentions: int = 0
    negative: int = 0
    positive: int = 0

    @property
    def net(self) -> float | None:
        """(positive - negative) / mentions: -1 to 1, None without any."""
        return (self.positive - self.negative) / self.mentions if self.mentions else None


@value
class Quote:
    """A sentence of a standing review, in its own words."""

    review_id: str
    revision: int
    label: Label
    text: str


@value
class AspectSummary:
    """What reviews say of one aspect. Keys of ``windows``: 30d (the current UTC day and the 30 before it), all."""

    windows: dict[str, AspectCounts]
    quote: Quote | None


@value
class PlacedQuote:
    """A sentence of a standing review in its own words: ``[start:end]`` of the text of the enriched review."""

    review_id: str
    revision: int
    start: int
    end: int
    text: str


@value
class Highlight:
    """What ``reviews`` reviews say. ``evidence``: ids of these, at most 20, the quoted one first."""

    reviews: int
    aspect: str | None
    quote: PlacedQuote
    evidence: tuple[str, ...]


@value
class Highlights:
    """What people praise and complain of, most reviews first. ``read``: of how many reviews, when it was made."""

    read: int
    made_at_ms: int
    praise: tuple[Highlight, ...]
    complaints: tuple[Highlight, ...]


@value
class ProductSummary:
    """What a product page shows, as of ``as_of_ms``. Keys of ``windows``: 24h, 7d, 30d, all.

    ``aspects``: by id. ``reviews_since_text``: how many came since the text was made; None without a text. These,
    ``trend``, ``highlights`` and ``digest`` are None in what was published before there were any. ``mismatches``:
    reviews whose words are against their stars; ``recent_reviews``: those of the current UTC day and the N days before
    it, by N. These two are not published: signals are made of them.
    """

    product_id: str
    as_of_ms: int
    state_version: int  # see state_version_of; grows with each change: the base of the ETag
    windows: dict[str, Counts]
    last_review_at_ms: int | None
    text: ProductText | None
    low_evidence: bool
    aspects: dict[str, AspectSummary] | None = None
    trend: Trend | None = None
    highlights: Highlights | None = None
    digest: Digest | None = None
    reviews_since_text: int | None = None
    mismatches: int = 0
    recent_reviews: dict[int, int] = field(default_factory=dict)

    @property
    def generation(self) -> int:
        """The generation of the view that it was read from; 0 for what was published before it was counted in."""
        return self.state_version // STATE_VERSIONS_PER_GENERATION
