"""A follower on a real broker: what was there before, from a bounded distance back, and what comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from stream_app.kafka.client_config import producer_config
from stream_app.kafka.follower import TopicFollower
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.records import RawRecord
from stream_app.settings import Settings
from tests.waiting import wait_until

DAY_MS = 86_400_000


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> Settings:
    made = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix, partitions=2)
    create_topics(made)
    return made


def produce(settings: Settings, *values: bytes | None, age_ms: int = 0, **options: object) -> None:
    producer = Producer({**producer_config(settings), **options})
    for value in values:
        timestamp_ms = int(time.time() * 1000) - age_ms
        producer.produce(Topics(settings.topic_prefix).alerts, value, headers=[("x", b"\xff")], timestamp=timestamp_ms)
    assert not producer.flush(20)


@contextmanager
def following(settings: Settings, max_records: int = 1000) -> Iterator[list[bytes | None]]:
    """The values of what was handed over, once all that was there has been."""
    values: list[bytes | None] = []

    def take(record: RawRecord) -> None:
        values.append(record.value)

    topic = Topics(settings.topic_prefix).alerts
    since_ms = int(time.time() * 1000) - DAY_MS
    follower = TopicFollower(settings, topic, take, since_ms=since_ms, max_records=max_records)
    follower.start()
    try:
        assert asyncio.run(follower.caught_up(30))
        yield values
    finally:
        follower.stop()


def test_what_was_there_is_read_before_it_is_caught_up_and_what_comes_follows(settings: Settings) -> None:
    """Null values and any bytes among it; what is older than it looks back is left out."""
    produce(settings, b"old", b"older", age_ms=2 * DAY_MS)
    there = [b"%d" % number for number in range(20)]
    produce(settings, *there, None, b"\xff\x00")

    with following(settings) as values:
        assert sorted(values, key=str) == sorted([*there, None, b"\xff\x00"], key=str)
        produce(settings, b"new")
        wait_until(lambda: values[-1] == b"new", 30, "what another process publishes is read")


def test_no_more_than_the_bound_is_read_back(settings: Settings) -> None:
    """A start takes no longer after a year of alerts."""
    produce(settings, *(b"%d" % number for number in range(200)))

    with following(settings, max_records=40) as values:
        assert 20 <= len(values) <= 40


def test_empty_topic_is_caught_up_with_at_once(settings: Settings) -> None:
    """The first start of all waits for nothing."""
    began = time.monotonic()

    with following(settings) as values:
        assert values == []
        assert time.monotonic() - began < 10


def test_the_end_is_reached_behind_what_was_published_before_the_call_and_behind_markers(settings: Settings) -> None:
    """A transaction's marker, and an aborted record before it, are no records, yet the end lies behind them."""
    topic = Topics(settings.topic_prefix).alerts
    values: list[bytes | None] = []

    def take(record: RawRecord) -> None:
        values.append(record.value)

    follower = TopicFollower(settings, topic, take, since_ms=0, max_records=1000)
    follower.start()
    try:
        assert asyncio.run(follower.reach_end(30))
        for number in range(5):
            produce(settings, b"%d" % number)
            assert asyncio.run(follower.reach_end(30))
            assert values[-1] == b"%d" % number
        producer = Producer({**producer_config(settings), "transactional.id": settings.topic_prefix})
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce(topic, b"aborted")
        producer.abort_transaction(20)
        assert asyncio.run(follower.reach_end(30))
        assert b"aborted" not in values
    finally:
        follower.stop()


def grow(settings: Settings, partitions: int) -> None:
    topic = Topics(settings.topic_prefix).alerts
    admin = AdminClient({"bootstrap.servers": settings.brokers})
    [grown] = admin.create_partitions([NewPartitions(topic, partitions)]).values()
    grown.result(20)

    def is_known() -> bool:
        return len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == partitions

    wait_until(is_known, 20, "the broker names the new partitions")


@pytest.mark.parametrize("asks_for_the_end", [True, False])
def test_partitions_that_are_added_later_are_followed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, asks_for_the_end: bool
) -> None:
    """At once where the end is asked for, else within seconds; and what was read is not handed over again."""
    monkeypatch.setattr("stream_app.kafka.follower._LOOK_SECONDS", 3600.0 if asks_for_the_end else 0.2)
    topic = Topics(settings.topic_prefix).alerts
    produce(settings, *(b"%d" % number for number in range(10)))
    values: list[bytes | None] = []

    def take(record: RawRecord) -> None:
        values.append(record.value)

    follower = TopicFollower(settings, topic, take, since_ms=0, max_records=1000)
    follower.start()
    try:
        assert asyncio.run(follower.caught_up(30))
        grow(settings, 4)
        producer = Producer(producer_config(settings))
        for number in (2, 3):
            producer.produce(topic, b"new %d" % number, partition=number)
        assert not producer.flush(20)
        if asks_for_the_end:
            assert asyncio.run(follower.reach_end(20))
        wait_until(lambda: len(values) >= 12, 20, "the new partitions are read")
        produce(settings, b"last")
        assert asyncio.run(follower.reach_end(20))
        assert sorted(values, key=str) == sorted(
            [*(b"%d" % number for number in range(10)), b"new 2", b"new 3", b"last"], key=str
        )
    finally:
        follower.stop()


def test_topic_that_is_missing_is_not_waited_for(kafka: str, topic_prefix: str) -> None:
    """The worker starts without; the topic is looked for again."""
    settings = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix)
    values: list[bytes | None] = []

    def take(record: RawRecord) -> None:
        values.append(record.value)

    follower = TopicFollower(settings, Topics(topic_prefix).alerts, take, since_ms=0, max_records=10)
    follower.start()
    assert not asyncio.run(follower.caught_up(25))
    create_topics(settings)
    produce(settings, b"new")
    wait_until(lambda: values == [b"new"], 30, "it is found")
    follower.stop()
