"""Reviews with the models' answers."""

from __future__ import annotations

from typing import Literal

from stream_app.records.answers import Label, ModelName, Sentiment
from stream_app.records.immutable import value
from stream_app.records.messages import Position
from stream_app.records.reviews import Kind

SummaryMethod = Literal["abstractive", "extractive", "own_text", "none"]

RATING_MISMATCH = "rating_mismatch"
"""The flag of an enriched review whose words are surely against its stars."""


@value
class Span:
    """A piece of the enriched review's text: ``text[start:end]``, in Unicode code points."""

    start: int
    end: int


@value
class Opinion:
    """A sentence of an enriched review that tells something: its label with the probability, what it speaks of.

    ``aspects``: ids. ``hazard``: it says that someone was or could have been hurt.
    """

    span: Span
    label: Label
    confidence: float
    aspects: tuple[str, ...] = ()
    hazard: bool = False


@value
class EnrichedReview:
    """enriched-review.v1: the review, cleaned and masked, with the models' answers. A deletion has no text.

    ``opinions``: in the order of the text; None: its sentences were not judged.
    """

    kind: Kind
    product_id: str
    review_id: str
    revision: int
    enrichment_version: int
    created_at_ms: int
    enriched_at_ms: int
    input: Position
    updated_at_ms: int | None = None
    rating: int | None = None
    title: str | None = None
    text: str | None = None
    language: str | None = None
    truncated: bool = False
    sentiment: Sentiment | None = None
    sentiment_missing: str | None = None
    summary: str | None = None
    summary_method: SummaryMethod = "none"
    key_sentence: Span | None = None
    opinions: tuple[Opinion, ...] | None = None
    flags: tuple[str, ...] = ()
    safety_words: tuple[str, ...] = ()
    sentiment_model: ModelName | None = None
    summary_model: ModelName | None = None
