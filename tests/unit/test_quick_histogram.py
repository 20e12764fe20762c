"""The quick histogram says what the client library's own one says."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from stream_app.telemetry.quick_histogram import QuickHistogram

BOUNDS = (0.01, 0.5, 1, 30)


def test_it_is_scraped_as_the_librarys_own_histogram() -> None:
    """A value on a bound belongs to its bucket."""
    quick_registry, own_registry = CollectorRegistry(), CollectorRegistry()
    quick = QuickHistogram("seconds", "How long it took", BOUNDS, quick_registry)
    own = Histogram("seconds", "How long it took", buckets=BOUNDS, registry=own_registry)
    for amount in (0.0, 0.01, 0.011, 0.5, 1, 1.5, 30, 31, 1000):
        quick.observe(amount)
        own.observe(amount)

    expected = [line for line in generate_latest(own_registry).splitlines() if b"_created" not in line]
    assert generate_latest(quick_registry).splitlines() == expected
