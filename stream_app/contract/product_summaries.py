"""product-summary.v1, to bytes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import orjson

from stream_app.contract import field
from stream_app.contract.enriched import encode_model
from stream_app.contract.times import to_rfc3339
from stream_app.records import Counts, ProductSummary, ProductText, SummaryMethod

PRODUCT_SUMMARY = "product-summary.v1"
DISCLOSURE = "Written by a machine from customers' reviews."
_WINDOWS = ("24h", "7d", "30d", "all")  # further ones may come


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
