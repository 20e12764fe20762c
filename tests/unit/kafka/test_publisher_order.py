"""The publisher where messages of several calls are on their way: none is reported early, none overtakes another."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from stream_app.kafka import publisher as module
from stream_app.kafka.client_config import producer_config
from stream_app.kafka.publisher import ConfluentPublisher, _Delivery
from stream_app.kafka.topics import Topics
from stream_app.records import Message
from stream_app.settings import Settings


def messages(*values: int) -> list[Message]:
    return [Message("out", b"key", str(value).encode()) for value in values]


def publisher_on_a_mock_broker(monkeypatch: pytest.MonkeyPatch, **config: Any) -> ConfluentPublisher:
    """On librdkafka's own; what is fatal fails the test."""
    extra = {"test.mock.num.brokers": 1, **config}
    monkeypatch.setattr(module, "producer_config", lambda settings: {**producer_config(settings), **extra})

    def fatal(error: BaseException) -> None:
        raise error

    return ConfluentPublisher(Settings(_env_file=None, brokers="127.0.0.1:1"), fatal)


def test_call_is_reported_after_its_last_acknowledgement_not_after_its_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker may take one partition's message and be slow with another's."""

    async def test() -> None:
        publisher = publisher_on_a_mock_broker(monkeypatch)
        delivery = _Delivery(publisher, messages(1, 2, 3), lambda: None)
        for left in (2, 1, 0):
            delivery.acknowledged(None, None)
            assert list(publisher.delivered) == ([] if left else [delivery])

    asyncio.run(test())


def test_message_published_while_others_wait_for_room_goes_after_them(
    monkeypatch: pytest.MonkeyPatch, produced: list[int]
) -> None:
    """Acknowledgements make room, and whoever is called back publishes at once."""

    async def test() -> None:
        publisher = publisher_on_a_mock_broker(monkeypatch, **{"queue.buffering.max.messages": 5})
        publisher.publish(messages(0), lambda: publisher.publish(messages(20), lambda: None))
        for number in range(1, 20):
            publisher.publish(messages(number), lambda: None)
        assert len(produced) == 5, "librdkafka's queue is full"
        assert await publisher.flush(10)

    asyncio.run(test())
    assert produced == list(range(21))


def test_alert_does_not_wait_for_what_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enriched reviews wait for others of their partition; an alert that is published after them is there before."""
    reported: list[str] = []

    async def test() -> None:
        publisher = publisher_on_a_mock_broker(monkeypatch, **{"test.mock.broker.rtt": 1})
        topics = Topics(Settings(_env_file=None).topic_prefix)
        for round_ in ("first", "second"):  # the first also connects
            for topic in (topics.enriched, topics.alerts):
                publisher.publish([Message(topic, b"key", b"value")], partial(reported.append, f"{round_} {topic}"))
            assert await publisher.flush(10)
        assert reported[2:] == [f"second {topics.alerts}", f"second {topics.enriched}"]

    asyncio.run(test())
