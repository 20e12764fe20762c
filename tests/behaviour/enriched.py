"""Enriched reviews for the tests of the view: by hand, and any at all (hypothesis)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from stream_app.records import LABELS, EnrichedReview, Label, Opinion, Position, Sentiment, Span

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_800_000_000_000 + 7 * HOUR_MS + 1234

_SCORES: dict[Label, tuple[float, float, float]] = {
    "negative": (0.9, 0.07, 0.03),
    "neutral": (0.2, 0.7, 0.1),
    "positive": (0.0123, 0.0877, 0.9),
}


def enriched(review_id: str = "r1", product_id: str = "p", **changes: Any) -> EnrichedReview:
    """A positive review of five stars, created now; `label` (or None) chooses its sentiment."""
    fields: dict[str, Any] = {
        "kind": "created",
        "product_id": product_id,
        "review_id": review_id,
        "revision": 0,
        "enrichment_version": 1,
        "created_at_ms": NOW_MS,
        "enriched_at_ms": NOW_MS,
        "input": Position("reviews", 0, 0),
        "rating": 5,
        "text": f"It works ({review_id}). I would buy it again.",
        "key_sentence": Span(0, len(f"It works ({review_id}).")),
    }
    label: Label | None = changes.pop("label", "positive")
    fields["sentiment"] = Sentiment(label, max(_SCORES[label]), _SCORES[label]) if label else None
    return EnrichedReview(**fields | changes)


def opinion(label: Label, *aspects: str, start: int = 0) -> Opinion:
    """What a sentence that begins there says of these aspects."""
    return Opinion(Span(start, start + 5), label, 0.9, aspects)


def deletion(review_id: str = "r1", product_id: str = "p", revision: int = 1, **changes: Any) -> EnrichedReview:
    """A deletion, as `enrich` publishes it: without text, stars or sentiment."""
    gone = {"rating": None, "text": None, "key_sentence": None, "label": None, "opinions": None}
    return enriched(review_id, product_id, kind="deleted", revision=revision, **gone | changes)


_times = st.one_of(
    st.integers(NOW_MS - 40 * DAY_MS, NOW_MS),
    st.integers(0, 40).map(lambda hours: NOW_MS - hours * HOUR_MS),
    st.integers(-DAY_MS, NOW_MS),
)

opinions = st.builds(
    opinion,
    st.sampled_from(LABELS),
    st.sampled_from(["quality", "look", "size_and_fit", "unknown to us"]),
    start=st.integers(0, 9),
)

events = st.builds(
    enriched,
    review_id=st.sampled_from(["a", "b", "c", "déjà vu"]),
    kind=st.sampled_from(["created", "edited", "edited", "deleted"]),
    revision=st.sampled_from([0, 1, 2, 2**53 - 1]),
    enrichment_version=st.integers(1, 2),
    created_at_ms=_times,
    rating=st.one_of(st.none(), st.integers(1, 5)),
    label=st.one_of(st.none(), st.sampled_from(LABELS)),
    text=st.sampled_from([None, "Fine.", "Ünïcödé 🙂 {x}", "long " * 100]),
    key_sentence=st.none(),
    opinions=st.none() | st.lists(opinions, max_size=4).map(tuple),
    flags=st.sampled_from([(), ("rating_mismatch",), ("low_confidence",)]),
)


def version_of(event: EnrichedReview) -> tuple[str, int, bool, int]:
    """Identity and place in the order: two events that agree in it are one event, delivered twice."""
    return event.review_id, event.revision, event.kind == "deleted", event.enrichment_version


def without_contradictions(drawn: Sequence[EnrichedReview]) -> list[EnrichedReview]:
    """The same deliveries, where every copy of an event says what its first copy said."""
    first: dict[tuple[str, int, bool, int], EnrichedReview] = {}
    return [first.setdefault(version_of(event), event) for event in drawn]
