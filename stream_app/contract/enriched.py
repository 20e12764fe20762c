"""enriched-review.v1, to bytes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import orjson

from stream_app.contract import field
from stream_app.contract.decoding import decoded
from stream_app.contract.times import from_rfc3339, to_rfc3339
from stream_app.records import (
    LABELS,
    EnrichedReview,
    Kind,
    Label,
    ModelName,
    Opinion,
    Position,
    RawRecord,
    Rejected,
    Sentiment,
    Span,
    SummaryMethod,
)

ENRICHED_REVIEW = "enriched-review.v1"


def encode_enriched(review: EnrichedReview) -> bytes:
    """enriched-review.v1 as JSON, in no more memory than it needs: what orjson gives keeps a buffer of 8 KiB, and many
    may wait for one slow review.
    """
    sentiment = review.sentiment
    span = review.key_sentence
    opinions = {} if review.opinions is None else {"opinions": [_encode_opinion(one) for one in review.opinions]}
    written = orjson.dumps(
        {
            "schema": ENRICHED_REVIEW,
            "kind": review.kind,
            "product_id": review.product_id,
            "review_id": review.review_id,
            "revision": review.revision,
            "enrichment_version": review.enrichment_version,  # guarantee: bytes-follow-the-schema
            "created_at": to_rfc3339(review.created_at_ms),
            "updated_at": None if review.updated_at_ms is None else to_rfc3339(review.updated_at_ms),
            "enriched_at": to_rfc3339(review.enriched_at_ms),
            "rating": review.rating,
            "title": review.title,
            "text": review.text,
            "language": review.language,
            "truncated": review.truncated,
            "sentiment": None
            if sentiment is None
            else {
                "label": sentiment.label,
                "confidence": sentiment.confidence,
                "scores": {
                    "negative": sentiment.scores[0],
                    "neutral": sentiment.scores[1],
                    "positive": sentiment.scores[2],
                },
            },
            "sentiment_missing": review.sentiment_missing,
            "summary": review.summary,
            "summary_method": review.summary_method,
            "key_sentence": None if span is None else {"start": span.start, "end": span.end},
            "flags": review.flags,
            "safety_words": review.safety_words,
            "model": {"sentiment": encode_model(review.sentiment_model), "summary": encode_model(review.summary_model)},
            "input": {
                "topic": review.input.topic,
                "partition": review.input.partition,
                "offset": review.input.offset,
            },
            **opinions,
        }
    )
    return b"".join((written, b""))  # a copy


def decode_enriched(record: RawRecord) -> EnrichedReview | Rejected:
    """The enriched review in a record; unknown fields are ignored, unknown values of enums become their fall-back."""
    return decoded(record, _enriched)


def _enriched(fields: dict[str, Any]) -> EnrichedReview:
    sentiment, model = fields.get("sentiment"), fields.get("model") or {}
    label = field.known(sentiment["label"], LABELS, None) if sentiment else None
    return EnrichedReview(
        kind=field.known(fields["kind"], get_args(Kind), "edited"),
        product_id=field.identifier(fields["product_id"]),
        review_id=field.identifier(fields["review_id"]),
        revision=field.revision(fields["revision"]),
        enrichment_version=field.revision(fields["enrichment_version"]),
        created_at_ms=from_rfc3339(fields["created_at"]),
        updated_at_ms=field.optional_ms(fields.get("updated_at")),
        enriched_at_ms=from_rfc3339(fields["enriched_at"]),
        input=_position(fields["input"]),
        rating=field.optional_stars(fields.get("rating")),
        title=field.optional_text(fields.get("title")),
        text=field.optional_text(fields.get("text")),
        language=field.optional_text(fields.get("language")),
        truncated=fields.get("truncated") is True,
        sentiment=_sentiment(sentiment, label) if sentiment and label else None,
        sentiment_missing=field.optional_text(fields.get("sentiment_missing"))
        or ("unknown_label" if sentiment and not label else None),
        summary=field.optional_text(fields.get("summary")),
        # guarantee: unknown-values-have-a-fall-back
        summary_method=field.known(fields.get("summary_method"), get_args(SummaryMethod), "none"),
        key_sentence=field.optional_span(fields.get("key_sentence")),
        opinions=_opinions(fields.get("opinions")),
        flags=field.texts(fields.get("flags")),
        safety_words=field.texts(fields.get("safety_words")),
        sentiment_model=field.optional_model(model.get("sentiment")),
        summary_model=field.optional_model(model.get("summary")),
    )


def _encode_opinion(opinion: Opinion) -> dict[str, Any]:
    return {
        "start": opinion.span.start,
        "end": opinion.span.end,
        "label": opinion.label,
        "confidence": opinion.confidence,
        "aspects": opinion.aspects,
        "hazard": opinion.hazard,
    }


def _opinions(given: Any) -> tuple[Opinion, ...] | None:
    """Those whose label is known. None: there is no such field."""
    if given is None:
        return None
    return tuple(
        Opinion(
            Span(field.integer(fields["start"]), field.integer(fields["end"])),
            fields["label"],
            field.probability(fields["confidence"]),
            field.texts(fields["aspects"]),
            fields["hazard"] is True,
        )
        for fields in map(field.object_of, field.list_of(given))
        if fields["label"] in LABELS
    )


def _position(fields: Mapping[str, Any]) -> Position:
    return Position(field.text(fields["topic"]), field.integer(fields["partition"]), field.integer(fields["offset"]))


def _sentiment(fields: Mapping[str, Any], label: Label) -> Sentiment:
    scores = fields["scores"]
    negative, neutral, positive = (field.probability(scores[name]) for name in LABELS)
    return Sentiment(label, field.probability(fields["confidence"]), (negative, neutral, positive))


def encode_model(model: ModelName | None) -> dict[str, str] | None:
    """Name and revision of a model; None of none."""
    return None if model is None else {"name": model.name, "revision": model.revision}
