"""product-summary.v1, to bytes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import orjson

from stream_app.contract import field
from stream_app.contract.digests import (
    DISCLOSURE,
    decode_digest,
    decode_highlights,
    encode_digest,
    encode_highlights,
)
from stream_app.contract.enriched import encode_model
from stream_app.contract.times import to_rfc3339
from stream_app.records import (
    LABELS,
    AspectCounts,
    AspectSummary,
    Change,
    Comparison,
    Counts,
    ProductSummary,
    ProductText,
    Quote,
    SummaryMethod,
    Trend,
)

PRODUCT_SUMMARY = "product-summary.v1"
_WINDOWS = ("24h", "7d", "30d", "all")  # further ones may come
_ASPECT_WINDOWS = ("30d", "all")


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
                "model": encode_model(text.model),
                "made_at": to_rfc3339(text.made_at_ms),
                "disclosure": DISCLOSURE,
            },
            "reviews_since_text": summary.reviews_since_text,
            **({} if summary.aspects is None else {"aspects": _encode_aspects(summary.aspects)}),
            **({} if summary.trend is None else {"trend": _encode_trend(summary.trend)}),
            **({} if summary.highlights is None else {"highlights": encode_highlights(summary.highlights)}),
            **({} if summary.digest is None else {"digest": encode_digest(summary.digest, summary.as_of_ms)}),
            **({"stale": True} if stale else {}),
        }
    )


def decode_product_summary(value: bytes) -> ProductSummary:
    """The product summary of JSON bytes; raises KeyError, TypeError or ValueError when it is none."""
    fields = field.object_of(orjson.loads(value))
    text, aspects, trend = fields.get("text"), fields.get("aspects"), fields.get("trend")
    highlights, digest = fields.get("highlights"), fields.get("digest")
    windows = field.object_of(fields["windows"])
    return ProductSummary(
        product_id=field.identifier(fields["product_id"]),
        as_of_ms=field.ms(fields["as_of"]),
        state_version=field.integer(fields["state_version"]),
        windows={name: _counted(field.object_of(windows[name])) for name in (*_WINDOWS, *windows)},
        last_review_at_ms=field.optional_ms(fields.get("last_review_at")),
        text=None if text is None else _product_text(field.object_of(text)),
        low_evidence=field.boolean(fields["low_evidence"]),
        aspects=None
        if aspects is None
        else {aspect: _aspect(field.object_of(one)) for aspect, one in field.object_of(aspects).items()},
        trend=None if trend is None else _trend(field.object_of(trend)),
        highlights=None if highlights is None else decode_highlights(field.object_of(highlights)),
        digest=None if digest is None else decode_digest(field.object_of(digest)),
        reviews_since_text=None
        if fields.get("reviews_since_text") is None
        else field.integer(fields["reviews_since_text"]),
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


def _encode_aspects(aspects: Mapping[str, AspectSummary]) -> dict[str, Any]:
    return {
        aspect: {
            "windows": {name: _aspect_counts(counts) for name, counts in one.windows.items()},
            "quote": None
            if one.quote is None
            else {
                "review_id": one.quote.review_id,
                "revision": one.quote.revision,
                "label": one.quote.label,
                "text": one.quote.text,
            },
        }
        for aspect, one in aspects.items()
    }


def _aspect_counts(counts: AspectCounts) -> dict[str, Any]:
    net = counts.net
    return {
        "mentions": counts.mentions,
        "negative": counts.negative,
        "positive": counts.positive,
        "net": None if net is None else round(net, 4),
    }


def _aspect(fields: Mapping[str, Any]) -> AspectSummary:
    windows, quote = field.object_of(fields["windows"]), fields.get("quote")
    return AspectSummary(
        windows={name: _aspect_counted(field.object_of(windows[name])) for name in (*_ASPECT_WINDOWS, *windows)},
        quote=None if quote is None else _quote(field.object_of(quote)),
    )


def _aspect_counted(fields: Mapping[str, Any]) -> AspectCounts:
    return AspectCounts(*(field.integer(fields[name]) for name in ("mentions", "negative", "positive")))


def _quote(fields: Mapping[str, Any]) -> Quote:
    return Quote(
        review_id=field.identifier(fields["review_id"]),
        revision=field.revision(fields["revision"]),
        label=field.known(fields["label"], LABELS, "neutral"),
        text=field.text(fields["text"]),
    )


def _encode_trend(trend: Trend) -> dict[str, Any]:
    return {
        "recent_from": to_rfc3339(trend.recent_from_ms),
        "before_from": to_rfc3339(trend.before_from_ms),
        "negative": _encode_comparison(trend.negative),
        "stars": _encode_comparison(trend.stars),
        "aspects": {aspect: _encode_comparison(one) for aspect, one in trend.aspects.items()},
    }


def _encode_comparison(one: Comparison) -> dict[str, Any]:
    return {
        "change": one.change,
        "recent": one.recent,
        "recent_reviews": one.recent_reviews,
        "before": one.before,
        "before_reviews": one.before_reviews,
        "p_value": one.p_value,
    }


def _trend(fields: Mapping[str, Any]) -> Trend:
    return Trend(
        recent_from_ms=field.ms(fields["recent_from"]),
        before_from_ms=field.ms(fields["before_from"]),
        negative=_comparison(field.object_of(fields["negative"])),
        stars=_comparison(field.object_of(fields["stars"])),
        aspects={
            aspect: _comparison(field.object_of(one)) for aspect, one in field.object_of(fields["aspects"]).items()
        },
    )


def _comparison(fields: Mapping[str, Any]) -> Comparison:
    return Comparison(
        recent=field.optional_number(fields.get("recent")),
        recent_reviews=field.integer(fields["recent_reviews"]),
        before=field.optional_number(fields.get("before")),
        before_reviews=field.integer(fields["before_reviews"]),
        p_value=field.optional_probability(fields.get("p_value")),
        change=field.known(fields["change"], get_args(Change), "none"),
    )
