"""A worker's lag: by positions, so that transaction markers are none, and by the age of what is not done."""

from __future__ import annotations

from prometheus_client import REGISTRY

from stream_app.kafka.consumer_lag import ConsumerLag
from stream_app.kafka.consumer_thread import Polled
from stream_app.records import Partition, RawRecord

P0 = Partition("reviews", 0)
P1 = Partition("reviews", 1)
NOW_MS = 1_800_000_000_000


def poll(*offsets: int, end: int, at: Partition = P0, timestamp_ms: int = NOW_MS) -> Polled:
    polled = Polled(1)
    if offsets:
        polled[at] = [RawRecord(at.topic, at.number, offset, timestamp_ms, None, b"") for offset in offsets]
    polled.ends = {at: end}
    return polled


def shown() -> tuple[float | None, float | None]:
    labels = {"role": "test"}
    return tuple(
        REGISTRY.get_sample_value(f"stream_app_consumer_lag_{unit}", labels) for unit in ("records", "seconds")
    )  # type: ignore[return-value]


def test_lag_is_what_can_be_read_and_is_not_done() -> None:
    """Fetched is not done; over all partitions the offsets are added, and the oldest record's age counts."""
    done: dict[Partition, int | None] = {P0: None, P1: None}
    lag = ConsumerLag("test", lambda partition: done[partition])

    lag.look(poll(10, 11, end=20, timestamp_ms=NOW_MS - 4000), NOW_MS, 0.0)
    assert shown() == (10, 4.0)
    done[P0] = 11
    lag.look(poll(5, end=6, at=P1, timestamp_ms=NOW_MS - 9000), NOW_MS, 2.0)
    assert shown() == (9 + 1, 9.0)
    done[P0], done[P1] = 20, 6
    lag.look(poll(end=20), NOW_MS, 4.0)
    assert shown() == (0, 0.0)


def test_transaction_marker_behind_the_last_record_is_no_lag() -> None:
    """The position is behind the marker, and is what is committed."""
    lag = ConsumerLag("test", lambda _: 13)
    lag.look(poll(10, 11, end=13, timestamp_ms=NOW_MS - 60_000), NOW_MS, 0.0)
    assert shown() == (0, 0.0)


def test_lag_grows_older_while_nothing_is_fetched() -> None:
    """A worker that is stuck, or has no room, is seen by the seconds. Gauges are set once a second."""
    lag = ConsumerLag("test", lambda _: None)
    lag.look(poll(0, end=1), NOW_MS, 0.0)
    lag.report(NOW_MS + 500, 0.5)
    assert shown() == (1, 0.0)
    lag.report(NOW_MS + 30_000, 30.0)
    assert shown() == (1, 30.0)


def test_partitions_that_were_taken_away_are_not_behind() -> None:
    """They are another worker's."""
    lag = ConsumerLag("test", lambda _: None)
    lag.look(poll(0, end=9), NOW_MS, 0.0)
    lag.forget()
    lag.report(NOW_MS, 2.0)
    assert shown() == (0, 0.0)
