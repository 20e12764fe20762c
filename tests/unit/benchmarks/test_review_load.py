"""Which alert and which enriched review belong to which review, and how long they took."""

from __future__ import annotations

from benchmarks.load.review_load import Arrived, Matched, match
from stream_app import contract
from stream_app.kafka.topics import Topics
from stream_app.records import Alert, EnrichedReview, Position

TOPICS = Topics("t.")
WALL_MINUS_MONOTONIC = 1_760_000_000.0


def alert(review_id: str, raised_at: float) -> bytes:
    at_ms = round((raised_at + WALL_MINUS_MONOTONIC) * 1000)
    return contract.encode_alert(
        Alert(f"negative_review|p|{review_id}", "negative_review", "info", "p", at_ms, at_ms, review_id, 0)
    )


def enriched(review_id: str) -> EnrichedReview:
    return EnrichedReview("created", "p", review_id, 0, 1, 0, 0, Position("reviews", 0, 0))


def enriched_bytes(review_id: str) -> bytes:
    return contract.encode_enriched(enriched(review_id))


def test_latency_counts_from_the_time_that_a_review_was_due() -> None:
    """By review id, whatever the order in which they come back."""
    arrived = [
        Arrived(102.0, TOPICS.alerts, alert("b", 101.875), 0),
        Arrived(102.5, TOPICS.enriched, enriched_bytes("b"), 0),
        Arrived(103.0, TOPICS.enriched, enriched_bytes("a"), 0),
    ]

    assert match({"a": 100.0, "b": 101.5}, arrived, TOPICS, WALL_MINUS_MONOTONIC) == Matched(
        alert={"b": 0.5},
        raised={"b": 0.375},
        enriched={"b": 1.0, "a": 3.0},
        reviews={"b": enriched("b"), "a": enriched("a")},
        unexpected=0,
    )


def test_first_of_two_deliveries_counts() -> None:
    """A reader had it then."""
    arrived = [Arrived(at, TOPICS.enriched, enriched_bytes("a"), 0) for at in (101.0, 105.0)]

    assert match({"a": 100.0}, arrived, TOPICS, WALL_MINUS_MONOTONIC).enriched == {"a": 1.0}


def test_reviews_of_another_load_and_broken_records_are_counted_apart() -> None:
    """They are not in the latencies."""
    arrived = [
        Arrived(101.0, TOPICS.enriched, enriched_bytes("of another load"), 0),
        Arrived(101.0, TOPICS.alerts, b"no JSON", 0),
    ]
    found = match({"a": 100.0}, arrived, TOPICS, WALL_MINUS_MONOTONIC)

    assert (found.unexpected, found.enriched, found.alert) == (2, {}, {})
