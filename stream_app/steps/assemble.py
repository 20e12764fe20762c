"""Assembles an enriched review from the review and the answers of the models."""

from __future__ import annotations

from stream_app.records import (
    LABELS,
    RATING_MISMATCH,
    EnrichedReview,
    ModelName,
    Position,
    Review,
    Scores,
    SentenceScores,
    Sentiment,
    SummaryMethod,
)
from stream_app.steps.label_agreement import agreeing_sentences, contradicts_label
from stream_app.steps.opinions import hazard_in, opinions_of, weightiest
from stream_app.steps.prepare import Prepared
from stream_app.steps.summary_text import MAX_SENTENCE_CHARACTERS, best_sentence, faithful

LOW_CONFIDENCE = 0.6
"""A label of a lower probability is a guess: docs/models.md says how often such labels are right."""
_CONTRADICTION = 0.8  # the probability from which words and stars contradict each other


def sentiment_of(scores: Scores) -> Sentiment:
    """Label, confidence and probabilities, rounded to 4 decimals."""
    # not round(p, 4), which takes three times as long for the same: a model's single precision leaves the product exact
    rounded = (
        round(scores.negative * 10_000) / 10_000,
        round(scores.neutral * 10_000) / 10_000,
        round(scores.positive * 10_000) / 10_000,
    )
    confidence = max(rounded)
    return Sentiment(LABELS[rounded.index(confidence)], confidence, rounded)


def assemble(
    review: Review,
    prepared: Prepared,
    *,
    sentiment: Sentiment | None,
    sentiment_missing: str | None,
    truncated: bool,
    sentences: tuple[SentenceScores, ...] = (),
    abstract: str | None,
    with_summary: bool,
    min_words: int,
    sentiment_model: ModelName | None,
    summary_model: ModelName | None,
    enrichment_version: int,
    now_ms: int,
    position: Position,
) -> EnrichedReview:
    """The enriched review. ``abstract``: T5's answer, None where it was not asked or did not answer in time.
    ``sentences``: as the classifier judged them; none: it judges whole texts alone.

    A model that contributed nothing is not named.
    """
    summary, method = _summary(prepared, sentiment, sentences, abstract, with_summary, min_words)
    negative = sentiment is not None and sentiment.label == "negative"
    alarming = bool(prepared.safety_words) or hazard_in(sentences) is not None
    return EnrichedReview(
        kind=review.kind,
        product_id=review.product_id,
        review_id=review.review_id,
        revision=review.revision,
        enrichment_version=enrichment_version,
        created_at_ms=review.created_at_ms,
        updated_at_ms=review.updated_at_ms,
        enriched_at_ms=now_ms,
        input=position,
        rating=review.rating,
        title=prepared.title,
        text=prepared.text,
        language=prepared.language,
        truncated=truncated,
        sentiment=sentiment,
        sentiment_missing=sentiment_missing,
        summary=summary,
        summary_method=method,
        key_sentence=weightiest(prepared, sentences) if negative or alarming else None,
        opinions=opinions_of(prepared, sentences),
        flags=(*prepared.flags, *doubts_of(sentiment, review.rating), *(("truncated",) if truncated else ())),
        safety_words=prepared.safety_words,
        sentiment_model=sentiment_model if sentiment is not None else None,
        summary_model=summary_model if method == "abstractive" else None,
    )


def deletion(review: Review, *, enrichment_version: int, now_ms: int, position: Position) -> EnrichedReview:
    """The enriched form of a deletion: its identity and revision, no text."""
    return EnrichedReview(
        kind="deleted",
        product_id=review.product_id,
        review_id=review.review_id,
        revision=review.revision,
        enrichment_version=enrichment_version,
        created_at_ms=review.created_at_ms,
        updated_at_ms=review.updated_at_ms,
        enriched_at_ms=now_ms,
        input=position,
    )


def _summary(
    prepared: Prepared,
    sentiment: Sentiment | None,
    sentences: tuple[SentenceScores, ...],
    abstract: str | None,
    with_summary: bool,
    min_words: int,
) -> tuple[str | None, SummaryMethod]:
    if not with_summary:
        return None, "none"
    label = sentiment.label if sentiment else None
    if prepared.words < min_words and len(prepared.text) <= MAX_SENTENCE_CHARACTERS:
        return prepared.text, "own_text"
    if (
        abstract
        and faithful(abstract, f"{prepared.title or ''} {prepared.text}", label)
        and not contradicts_label(abstract, prepared.model_text, sentences, label)
    ):
        return abstract, "abstractive"
    among = [span for _, span in agreeing_sentences(sentences, label, prepared.text_start)]
    span = best_sentence(prepared.text, prepared.title, label, among)
    return (prepared.text[span.start : span.end], "extractive") if span else (None, "none")


def doubts_of(sentiment: Sentiment | None, rating: int | None) -> tuple[str, ...]:
    """The flags of a label that is unsure (``low_confidence``) or against the stars, surely (``rating_mismatch``)."""
    if sentiment is None:
        return ()
    if sentiment.confidence < LOW_CONFIDENCE:
        return ("low_confidence",)
    if rating is None:
        return ()
    negative, _, positive = sentiment.scores
    contradict = (rating <= 2 and positive >= _CONTRADICTION) or (rating >= 4 and negative >= _CONTRADICTION)
    return (RATING_MISMATCH,) if contradict else ()
