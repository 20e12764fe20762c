"""product-signals.v1, to bytes."""

from __future__ import annotations

from typing import Any

import orjson

from stream_app.contract.times import to_rfc3339
from stream_app.records import Estimate, ProductSignals, TopAspect

PRODUCT_SIGNALS = "product-signals.v1"


def encode_product_signals(signals: ProductSignals, *, stale: bool = False) -> bytes:
    """product-signals.v1 as JSON. ``stale``: Redis lost the view, or part of it."""
    last = signals.last_review_at_ms
    return orjson.dumps(
        {
            "schema": PRODUCT_SIGNALS,
            "product_id": signals.product_id,
            "as_of": to_rfc3339(signals.as_of_ms),
            "state_version": signals.state_version,
            "last_review_at": None if last is None else to_rfc3339(last),
            "reviews": signals.reviews,
            "low_evidence": signals.low_evidence,
            "score": {**_estimate(signals.score), "rated": signals.rated},
            "negative_share": {
                **_estimate(signals.negative_share),
                "negative": signals.negative,
                "judged": signals.judged,
            },
            "trend": signals.trend,
            "praise": _aspect(signals.praise),
            "complaint": _aspect(signals.complaint),
            "mismatch": {"reviews": signals.mismatches, "share": signals.mismatch_share},
            "reviews_per_day": {f"{days}d": rate for days, rate in signals.reviews_per_day.items()},
            **({"stale": True} if stale else {}),
        }
    )


def _estimate(one: Estimate) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}


def _aspect(one: TopAspect | None) -> dict[str, Any] | None:
    return None if one is None else {"aspect": one.aspect, "reviews": one.reviews, "mentions": one.mentions}
