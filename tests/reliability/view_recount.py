"""What a page must show, recounted from all events that ever arrived; shares no code with the product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stream_app.records import EnrichedReview

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ASPECTS = ["quality", "size_and_fit", "sound"]
_WINDOWS = {"24h": 24, "7d": 168, "30d": 720, "all": None}


def version_of(event: EnrichedReview) -> tuple[Any, ...]:
    """Events that agree in it are one event, delivered again."""
    return event.product_id, event.review_id, event.revision, event.kind == "deleted", event.enrichment_version


def standing_of(events: Sequence[EnrichedReview]) -> dict[tuple[str, str], EnrichedReview]:
    """(product, review) → its latest event."""
    latest: dict[tuple[str, str], EnrichedReview] = {}
    for event in events:
        one = latest.setdefault((event.product_id, event.review_id), event)
        if version_of(event) > version_of(one):
            latest[event.product_id, event.review_id] = event
    return latest


def latest_revisions(events: Sequence[EnrichedReview]) -> dict[str, dict[str, int]]:
    """product → review → revision; a deleted review's is its deletion's."""
    revisions: dict[str, dict[str, int]] = {event.product_id: {} for event in events}
    for (product_id, review_id), one in standing_of(events).items():
        revisions[product_id][review_id] = one.revision
    return revisions


def recount(events: Sequence[EnrichedReview], now_ms: int) -> dict[str, dict[str, Any]]:
    """What a page must show of each product, from all events that ever arrived, in no order."""
    shown: dict[str, dict[str, Any]] = {}
    for product_id in sorted({event.product_id for event in events}):
        own = [event for event in events if event.product_id == product_id]
        standing = [one for one in standing_of(own).values() if one.kind != "deleted"]
        windows = {}
        for name, hours in _WINDOWS.items():
            ages = [(now_ms // HOUR_MS - one.created_at_ms // HOUR_MS, one) for one in standing]
            inside = [one for age, one in ages if hours is None or 0 <= age <= hours]
            labels = [one.sentiment.label if one.sentiment else "unknown" for one in inside]
            windows[name] = {
                "reviews": len(inside),
                **{label: labels.count(label) for label in ("negative", "neutral", "positive", "unknown")},
                "stars": tuple([one.rating for one in inside].count(stars) for stars in (1, 2, 3, 4, 5)),
                "p_negative_sum": sum(round(10_000 * one.sentiment.scores[0]) for one in inside if one.sentiment),
            }
        days_ago = [(now_ms // DAY_MS - one.created_at_ms // DAY_MS, one) for one in standing]
        recent = [one for days, one in days_ago if 0 <= days <= 7]
        before = [one for days, one in days_ago if 8 <= days <= 35]
        month = [one for days, one in days_ago if 0 <= days <= 30]
        written = max((one.created_at_ms for one in own if one.kind != "deleted"), default=None)
        shown[product_id] = {
            "windows": windows,
            "last_review_at_ms": written if standing else None,
            "aspects": {
                aspect: {"30d": _said(month, aspect), "all": _said(standing, aspect)}
                for aspect in ASPECTS
                if _said(standing, aspect)[0]
            },
            "negative": (_negative(recent), _negative(before)),
            "stars": (_stars(recent), _stars(before)),
            "aspect trends": {
                aspect: (_criticized(recent, aspect), _criticized(before, aspect))
                for aspect in ASPECTS
                if _said(recent + before, aspect)[0]
            },
        }
    return shown


def _said(reviews: Sequence[EnrichedReview], aspect: str) -> tuple[int, int, int]:
    """How many of them mention the aspect, criticize it, praise it."""
    labels = [{one.label for one in review.opinions or () if aspect in one.aspects} for review in reviews]
    return sum(map(bool, labels)), sum("negative" in found for found in labels), sum("positive" in it for it in labels)


def _share(part: float, of: int) -> tuple[float | None, int]:
    return (round(part / of, 4) if of else None), of


def _negative(reviews: Sequence[EnrichedReview]) -> tuple[float | None, int]:
    labels = [one.sentiment.label for one in reviews if one.sentiment]
    return _share(labels.count("negative"), len(labels))


def _stars(reviews: Sequence[EnrichedReview]) -> tuple[float | None, int]:
    given_stars = [one.rating for one in reviews if one.rating]
    return _share(sum(given_stars), len(given_stars))


def _criticized(reviews: Sequence[EnrichedReview], aspect: str) -> tuple[float | None, int]:
    mentions, negative, _ = _said(reviews, aspect)
    return _share(negative, mentions)
