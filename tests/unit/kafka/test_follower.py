"""How far back a follower begins, and what it does where Kafka does not answer."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from stream_app.kafka.follower import TopicFollower, bounded
from stream_app.settings import Settings

COUNTS = st.dictionaries(st.integers(0, 20), st.tuples(st.integers(0, 50), st.integers(0, 100)), max_size=8)


@given(COUNTS, st.integers(0, 300))
def test_no_more_than_the_bound_is_read_and_as_much_as_there_is(
    drawn: dict[int, tuple[int, int]], max_records: int
) -> None:
    """Whatever the partitions hold; the newest records of each."""
    starts = {number: start for number, (start, _) in drawn.items()}
    ends = {number: start + count for number, (start, count) in drawn.items()}

    moved = bounded(starts, ends, max_records)

    read = sum(ends[number] - start for number, start in moved.items())
    assert all(starts[number] <= start <= ends[number] for number, start in moved.items())
    assert read <= max_records
    total = sum(count for _, count in drawn.values())
    assert read == total if total <= max_records else read > max_records - max(1, len(drawn))


def test_broker_that_is_away_ends_nothing_and_is_waited_for_no_longer_than_said() -> None:
    """The worker goes on without: alerts may then come twice, none is lost."""
    settings = Settings(_env_file=None, brokers="127.0.0.1:1")
    follower = TopicFollower(settings, "reviews.alerts", lambda record: None, since_ms=0, max_records=10)
    follower.start()

    assert not asyncio.run(follower.caught_up(0.3))
    assert not asyncio.run(follower.reach_end(0.3))
    follower.stop()
