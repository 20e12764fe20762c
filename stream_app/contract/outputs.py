"""enriched-review.v1, alert.v1 and product-summary.v1: what we publish, to bytes and back.

Readers ignore unknown fields; an unknown value of an enum becomes the fall-back that its schema states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import orjson

from stream_app.contract import field
from stream_app.contract.json_bytes import why_not_json
from stream_app.contract.times import from_rfc3339, to_rfc3339
from stream_app.contract.valueless import valueless
from stream_app.records import (
    LABELS,
    Alert,
    Counts,
    EnrichedReview,
    Kind,
    Label,
    ModelName,
    Position,
    ProductSummary,
    ProductText,
    RawRecord,
    Reason,
    Rejected,
    Rule,
    Sentiment,
    Severity,
    SummaryMethod,
)

ENRICHED_REVIEW = "enriched-review.v1"
ALERT = "alert.v1"
PRODUCT_SUMMARY = "product-summary.v1"
DISCLOSURE = "Written by a machine from customers' reviews."
_WINDOWS = ("24h", "7d", "30d", "all")  # further ones may come

Value = TypeVar("Value")


def encode_enriched(review: EnrichedReview) -> bytes:
    """enriched-review.v1 as JSON, in no more memory than it needs: what orjson gives keeps a buffer of 8 KiB, and many
    may wait for one slow review.
    """
    sentiment = review.sentiment
    span = review.key_sentence
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
            "model": {"sentiment": _model(review.sentiment_model), "summary": _model(review.summary_model)},
            "input": {
                "topic": review.input.topic,
                "partition": review.input.partition,
                "offset": review.input.offset,
            },
        }
    )
    return b"".join((written, b""))  # a copy


def decode_enriched(record: RawRecord) -> EnrichedReview | Rejected:
    """The enriched review in a record; unknown fields are ignored, unknown values of enums become their fall-back."""
    return _decoded(record, _enriched)


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
        flags=field.texts(fields.get("flags")),
        safety_words=field.texts(fields.get("safety_words")),
        sentiment_model=field.optional_model(model.get("sentiment")),
        summary_model=field.optional_model(model.get("summary")),
    )


def _position(fields: Mapping[str, Any]) -> Position:
    return Position(field.text(fields["topic"]), field.integer(fields["partition"]), field.integer(fields["offset"]))


def _sentiment(fields: Mapping[str, Any], label: Label) -> Sentiment:
    scores = fields["scores"]
    negative, neutral, positive = (field.probability(scores[name]) for name in LABELS)
    return Sentiment(label, field.probability(fields["confidence"]), (negative, neutral, positive))


def encode_alert(alert: Alert) -> bytes:
    """alert.v1 as JSON."""
    return orjson.dumps(
        {
            "schema": ALERT,
            "alert_id": alert.alert_id,
            "rule": alert.rule,
            "severity": alert.severity,
            "product_id": alert.product_id,
            "review_id": alert.review_id,
            "revision": alert.revision,
            "created_at": to_rfc3339(alert.created_at_ms),
            "raised_at": to_rfc3339(alert.raised_at_ms),
            "rating": alert.rating,
            "p_negative": alert.p_negative,
            "sentence": alert.sentence,
            "safety_words": alert.safety_words,
            "reason": alert.reason,
        }
    )


def decode_alert(record: RawRecord) -> Alert | Rejected:
    """The alert in a record; unknown severities become warning, unknown rules negative_review, unknown reasons none."""
    return _decoded(record, alert_from)


def alert_from(fields: Mapping[str, Any]) -> Alert:
    """The alert of parsed JSON. Raises KeyError, TypeError or ValueError when it is none."""
    return Alert(
        alert_id=field.text(fields["alert_id"]),
        rule=field.known(fields["rule"], get_args(Rule), "negative_review"),
        severity=field.known(fields["severity"], get_args(Severity), "warning"),
        product_id=field.identifier(fields["product_id"]),
        created_at_ms=from_rfc3339(fields["created_at"]),
        raised_at_ms=from_rfc3339(fields["raised_at"]),
        review_id=field.optional_identifier(fields.get("review_id")),
        revision=field.optional_revision(fields.get("revision")),
        rating=field.optional_stars(fields.get("rating")),
        p_negative=field.optional_probability(fields.get("p_negative")),
        sentence=field.optional_text(fields.get("sentence")),
        safety_words=field.texts(fields.get("safety_words")),
        reason=_reason(fields.get("reason")),
    )


def _reason(given: Any) -> Reason | None:
    known: tuple[Reason, ...] = get_args(Reason)
    return next((reason for reason in known if reason == given), None)


def encode_product_summary(summary: ProductSummary, *, stale: bool = False) -> bytes:
    """product-summary.v1 as JSON. ``stale``: Redis lost the view, or part of it."""
    text = summary.text
    return orjson.dumps(
        {
            "schema": PRODUCT_SUMMARY,
            "product_id": summary.product_id,
            "as_of": to_rfc3339(summary.as_of_ms),
            "state_version": summary.state_version,
            "last_review_at": None if summary.last_review_at_ms is None else to_rfc3339(summary.last_review_at_ms),
            "low_evidence": summary.low_evidence,
            "windows": {name: _counts(counts) for name, counts in summary.windows.items()},
            "text": None
            if text is None
            else {
                "headline": text.headline,
                "text": text.text,
                "method": text.method,
                "evidence": text.evidence,
                "model": _model(text.model),
                "made_at": to_rfc3339(text.made_at_ms),
                "disclosure": DISCLOSURE,
            },
            **({"stale": True} if stale else {}),
        }
    )


def decode_product_summary(value: bytes) -> ProductSummary:
    """The product summary of JSON bytes; raises KeyError, TypeError or ValueError when it is none."""
    fields = field.object_of(orjson.loads(value))
    text = fields.get("text")
    windows = field.object_of(fields["windows"])
    return ProductSummary(
        product_id=field.identifier(fields["product_id"]),
        as_of_ms=field.ms(fields["as_of"]),
        state_version=field.integer(fields["state_version"]),
        windows={name: _counted(field.object_of(windows[name])) for name in (*_WINDOWS, *windows)},
        last_review_at_ms=field.optional_ms(fields.get("last_review_at")),
        text=None if text is None else _product_text(field.object_of(text)),
        low_evidence=field.boolean(fields["low_evidence"]),
    )


def _product_text(fields: Mapping[str, Any]) -> ProductText:
    return ProductText(
        headline=field.text(fields["headline"]),
        text=field.text(fields["text"]),
        method=field.known(fields["method"], get_args(SummaryMethod), "none"),
        evidence=field.texts(fields["evidence"]),
        model=field.optional_model(fields.get("model")),
        made_at_ms=field.ms(fields["made_at"]),
    )


def _counts(counts: Counts) -> dict[str, Any]:
    mean, net = counts.mean_rating, counts.net_sentiment
    return {
        "reviews": counts.reviews,
        "negative": counts.negative,
        "neutral": counts.neutral,
        "positive": counts.positive,
        "unknown": counts.unknown,
        "stars": counts.stars,
        "mean_rating": None if mean is None else round(mean, 4),
        "net_sentiment": None if net is None else round(net, 4),
        "p_negative_sum": counts.p_negative_sum,
    }


def _counted(fields: Mapping[str, Any]) -> Counts:
    one, two, three, four, five = map(field.integer, fields["stars"])
    return Counts(
        reviews=field.integer(fields["reviews"]),
        negative=field.integer(fields["negative"]),
        neutral=field.integer(fields["neutral"]),
        positive=field.integer(fields["positive"]),
        unknown=field.integer(fields["unknown"]),
        stars=(one, two, three, four, five),
        p_negative_sum=field.integer(fields["p_negative_sum"]),
    )


def _decoded(record: RawRecord, decode: Callable[[dict[str, Any]], Value]) -> Value | Rejected:
    """What ``decode`` makes of the record's JSON object, or why it cannot be read."""
    if record.value is None:
        return valueless(record)
    try:
        fields = orjson.loads(record.value)
    except orjson.JSONDecodeError as error:
        return Rejected(record, *why_not_json(record.value, error))
    try:
        return decode(fields)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return Rejected(record, "wrong_type", f"not of this schema: {type(error).__name__} {error}")


def _model(model: ModelName | None) -> dict[str, str] | None:
    return None if model is None else {"name": model.name, "revision": model.revision}
