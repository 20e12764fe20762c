"""Puts an enriched review together from the review and what the models said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stream_app.records import (
    LABELS,
    EnrichedReview,
    ModelName,
    Position,
    Review,
    Scores,
    Sentiment,
    SummaryMethod,
    value,
)
from stream_app.steps.clean import clean
from stream_app.steps.language import is_supported, language_of
from stream_app.steps.privacy import mask
from stream_app.steps.safety import safety_words_in_each
from stream_app.steps.summary_text import (
    MAX_SENTENCE_CHARACTERS,
    best_sentence,
    clean_word_count,
    faithful,
    key_sentence,
)

UNSUPPORTED_LANGUAGE = "unsupported_language"
EMPTY_TEXT = "empty_text"

_CONTRADICTION = 0.8  # the probability from which words and stars are said to contradict each other


@value
class Prepared:
    """A review made ready for the models. ``text`` is what will be published; ``supported``: the models read it."""

    text: str
    title: str | None
    language: str
    supported: bool
    words: int
    flags: tuple[str, ...]
    safety_words: tuple[str, ...]

    @property
    def model_text(self) -> str:
        """What the classifier reads: title and text."""
        if not self.title:
            return self.text
        return f"{self.title}{' ' if self.title[-1] in '.!?…。！？' else '. '}{self.text}"

    @property
    def summary_input(self) -> str:
        """What the summarizer reads: the text alone, since it learned to write titles."""
        return self.text


@value
class Unusable:
    """Nothing is left of the review that could be processed."""

    reason: str
    detail: str


def prepare(review: Review, languages: frozenset[str] | None) -> Prepared | Unusable:
    """Clean, mask, and look at language and safety words. ``languages``: what the classifier reads, None: any."""
    return prepare_all([review], languages)[0]


def prepare_all(reviews: Sequence[Review], languages: frozenset[str] | None) -> list[Prepared | Unusable]:
    """``prepare`` of each: cheaper together, since words of danger are looked for in all of them at once."""
    prepared = [_prepared(review, languages) for review in reviews]
    read = [one.model_text if isinstance(one, Prepared) else "" for one in prepared]
    for index, safety in safety_words_in_each(read).items():
        one = prepared[index]
        if isinstance(one, Prepared):
            prepared[index] = replace(one, safety_words=safety, flags=(*one.flags, "safety_words"))
    return prepared


def _prepared(review: Review, languages: frozenset[str] | None) -> Prepared | Unusable:
    """All but the safety words."""
    text, marked_up = clean(review.text)
    if not text:
        return Unusable(EMPTY_TEXT, "nothing is left of the text without markup and control characters")
    text, masked = mask(text)
    title: str | None = None
    if review.title:
        title, title_marked_up = clean(review.title)
        title, title_masked = mask(title)
        marked_up, masked = marked_up or title_marked_up, masked or title_masked
    language = language_of(text, review.language)
    supported = is_supported(language, languages)
    flags = (
        *(("markup_removed",) if marked_up else ()),
        *(("private_data_masked",) if masked else ()),
        *(() if supported else (UNSUPPORTED_LANGUAGE,)),
    )
    return Prepared(text, title or None, language, supported, clean_word_count(text), flags, ())


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


def needs_summary(prepared: Prepared, min_words: int) -> bool:
    """Is the review long enough for a summary shorter than itself, in a language that the models read?"""
    return prepared.supported and prepared.words >= min_words


def assemble(
    review: Review,
    prepared: Prepared,
    *,
    sentiment: Sentiment | None,
    sentiment_missing: str | None,
    truncated: bool,
    abstract: str | None,
    with_summary: bool,
    min_words: int,
    sentiment_model: ModelName | None,
    summary_model: ModelName | None,
    enrichment_version: int,
    now_ms: int,
    position: Position,
) -> EnrichedReview:
    """The enriched review. ``abstract``: what T5 said, None where it was not asked or did not answer in time.

    A model that had no part in it is not named.
    """
    summary, method = _summary(prepared, sentiment, abstract, with_summary, min_words)
    negative = sentiment is not None and sentiment.label == "negative"
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
        key_sentence=key_sentence(prepared.text, bool(prepared.safety_words))
        if negative or prepared.safety_words
        else None,
        flags=(*prepared.flags, *_contradictions(review.rating, sentiment), *(("truncated",) if truncated else ())),
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
    prepared: Prepared, sentiment: Sentiment | None, abstract: str | None, with_summary: bool, min_words: int
) -> tuple[str | None, SummaryMethod]:
    if not with_summary:
        return None, "none"
    label = sentiment.label if sentiment else None
    if prepared.words < min_words and len(prepared.text) <= MAX_SENTENCE_CHARACTERS:
        return prepared.text, "own_text"
    if abstract and faithful(abstract, f"{prepared.title or ''} {prepared.text}", label):
        return abstract, "abstractive"
    span = best_sentence(prepared.text, prepared.title, label)
    return (prepared.text[span.start : span.end], "extractive") if span else (None, "none")


def _contradictions(rating: int | None, sentiment: Sentiment | None) -> tuple[str, ...]:
    """Stars and words that say the opposite with confidence."""
    if rating is None or sentiment is None:
        return ()
    negative, _, positive = sentiment.scores
    contradict = (rating <= 2 and positive >= _CONTRADICTION) or (rating >= 4 and negative >= _CONTRADICTION)
    return ("rating_mismatch",) if contradict else ()
