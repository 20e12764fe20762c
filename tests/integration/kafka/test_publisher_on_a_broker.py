"""The publisher on a real broker: each message once, in order, and each callback runs once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.records import Message, size_of
from stream_app.settings import Settings
from tests.waiting import wait_until_async


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> Settings:
    made = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix, partitions=3)
    create_topics(made)
    return made


def run(
    settings: Settings,
    test: Callable[[ConfluentPublisher], Coroutine[Any, Any, None]],
    fatal: list[BaseException] | None = None,
) -> None:
    """Run the test with a publisher. What is fatal goes to the list ``fatal``; without one, nothing may be."""
    found: list[BaseException] = [] if fatal is None else fatal

    async def publish() -> None:
        publisher = ConfluentPublisher(settings, found.append)
        await test(publisher)
        await publisher.close(seconds=0.0)

    asyncio.run(publish())
    assert fatal is not None or found == []


def test_messages_of_a_key_keep_their_order_and_each_call_is_reported_once(settings: Settings) -> None:
    topic = Topics(settings.topic_prefix).enriched
    calls, keys = 500, 10
    acknowledged: list[int] = []

    async def test(publisher: ConfluentPublisher) -> None:
        for call in range(calls):
            messages = [Message(topic, f"{call % keys}".encode(), f"{call} {part}".encode()) for part in range(4)]
            publisher.publish(messages, partial(acknowledged.append, call))
            if call % 50 == 0:
                await asyncio.sleep(0)
        assert await publisher.flush(20)

    run(settings, test)

    assert sorted(acknowledged) == list(range(calls))
    by_key: dict[bytes, list[tuple[int, ...]]] = {}
    for record in read_to_end(settings, topic):
        assert record.key is not None
        assert record.value is not None
        by_key.setdefault(record.key, []).append(tuple(map(int, record.value.split())))
    assert by_key == {
        f"{key}".encode(): [(call, part) for call in range(key, calls, keys) for part in range(4)]
        for key in range(keys)
    }


def test_delivery_is_reported_only_when_the_broker_has_the_message(settings: Settings) -> None:
    topic = Topics(settings.topic_prefix).enriched
    ends_when_told: list[int] = []

    async def test(publisher: ConfluentPublisher) -> None:
        messages = [Message(topic, f"{number}".encode(), b"v") for number in range(20)]
        publisher.publish(messages, lambda: ends_when_told.append(sum(end_offsets(settings, topic).values())))
        await wait_until_async(lambda: ends_when_told, 20, "the callback comes")

    run(settings, test)
    assert ends_when_told == [20]


def test_key_value_and_headers_arrive_as_they_were_given(settings: Settings) -> None:
    topics = Topics(settings.topic_prefix)
    headers = (("ce_id", b"p/r/1"), ("again", b"\x00\xff"), ("again", b""))
    given = [
        Message(topics.dead_letter, None, b"\xff\x00 not text", headers),
        Message(topics.summaries, b"product", None),
    ]

    async def test(publisher: ConfluentPublisher) -> None:
        publisher.publish(given, lambda: None)
        assert await publisher.flush(20)

    run(settings, test)
    arrived = [record for topic in (topics.dead_letter, topics.summaries) for record in read_to_end(settings, topic)]
    assert [Message(record.topic, record.key, record.value, record.headers) for record in arrived] == given


@pytest.mark.parametrize("name", ["enriched", "dead_letter", "summaries"])
def test_largest_message_that_the_publisher_takes_is_taken_by_the_topic(settings: Settings, name: str) -> None:
    topic = getattr(Topics(settings.topic_prefix), name)

    async def test(publisher: ConfluentPublisher) -> None:
        largest = publisher.max_message_bytes - size_of(Message(topic, b"key", b""))
        publisher.publish([Message(topic, b"key", b"x" * largest)], lambda: None)
        assert await publisher.flush(20)

    run(settings, test)
    assert sum(end_offsets(settings, topic).values()) == 1


def test_message_that_the_broker_refuses_is_fatal_and_never_reported_delivered(settings: Settings) -> None:
    """A topic made by somebody else takes less than ours do."""
    topics = Topics(settings.topic_prefix)
    acknowledged: list[int] = []
    fatal: list[BaseException] = []

    async def test(publisher: ConfluentPublisher) -> None:
        largest = publisher.max_message_bytes - size_of(Message(topics.reviews, b"key", b""))
        too_large = Message(topics.reviews, b"key", random.randbytes(largest))
        publisher.publish([too_large, Message(topics.reviews, b"key", b"fits")], lambda: acknowledged.append(1))
        await wait_until_async(lambda: fatal, 20, "the error is reported")
        await wait_until_async(lambda: sum(end_offsets(settings, topics.reviews).values()), 20, "the other one arrives")
        assert not await publisher.flush(0.2)

    run(settings, test, fatal)
    assert len(fatal) == 1
    assert f"Topic {topics.reviews} refuses a message" in str(fatal[0])
    assert acknowledged == []
