"""The publisher on librdkafka's own mock brokers: order, bounds, patience, and errors that end the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stream_app.kafka import publisher as module
from stream_app.kafka.client_config import producer_config
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.ports import BrokerUnavailable
from stream_app.records import Message, size_of
from stream_app.settings import Settings
from tests.waiting import wait_until_async

Make = Callable[..., tuple[ConfluentPublisher, list[BaseException]]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a publisher on a mock broker (or a dead address) and the list of what was fatal."""

    def make(settings: dict[str, Any] | None = None, mock: bool = True, **config: Any) -> Any:
        extra = {"test.mock.num.brokers": 1} if mock else {}
        monkeypatch.setattr(module, "producer_config", lambda chosen: {**producer_config(chosen), **extra, **config})
        fatal: list[BaseException] = []
        chosen = Settings(_env_file=None, brokers="127.0.0.1:1", **(settings or {}))
        return ConfluentPublisher(chosen, fatal.append), fatal

    return make


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def messages(*values: bytes) -> list[Message]:
    return [Message("out", b"key", value, (("ce_id", b"1"),)) for value in values]


def test_callback_comes_once_after_all_messages_are_acknowledged(make: Make) -> None:
    async def test() -> None:
        publisher, fatal = make()
        delivered: list[str] = []
        publisher.publish(messages(b"a", b"b", b"c"), lambda: delivered.append("abc"))
        publisher.publish(messages(b"d"), lambda: delivered.append("d"))
        assert (delivered, publisher.outstanding) == ([], 4)
        assert await publisher.flush(20)
        assert (delivered, publisher.outstanding, fatal) == (["abc", "d"], 0, [])
        await publisher.close()

    run(test)


def test_nothing_to_publish_is_delivered_in_the_loops_next_turn(make: Make) -> None:
    async def test() -> None:
        publisher, _ = make()
        delivered: list[int] = []
        publisher.publish([], lambda: delivered.append(1))
        assert delivered == []
        await wait_until_async(lambda: delivered == [1], 30, "the callback comes")

    run(test)


def test_full_producer_queue_blocks_no_caller_and_keeps_the_order(make: Make, produced: list[int]) -> None:
    async def test() -> None:
        publisher, fatal = make(**{"queue.buffering.max.messages": 5})
        for number in range(200):
            publisher.publish(messages(str(number).encode()), lambda: None)
        assert len(produced) < 200, "librdkafka's queue was full"
        assert await publisher.flush(20)
        assert produced == list(range(200))
        assert fatal == []

    run(test)


def test_room_ends_at_the_bounds_and_comes_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_OUTSTANDING_MESSAGES", 3)
    monkeypatch.setattr(module, "_MAX_OUTSTANDING_BYTES", 100)

    async def test() -> None:
        publisher, _ = make()
        assert publisher.has_room()
        publisher.publish(messages(b"a", b"b", b"c"), lambda: None)
        assert not publisher.has_room()
        assert await publisher.flush(20)
        assert publisher.has_room()
        publisher.publish(messages(b"x" * 100), lambda: None)
        assert not publisher.has_room()

    run(test)


def test_too_large_message_is_refused_before_anything_of_the_call_is_published(make: Make) -> None:
    async def test() -> None:
        publisher, _ = make()
        fits = Message("out", b"k", b"x" * (publisher.max_message_bytes - size_of(Message("out", b"k", b""))))
        assert size_of(fits) == publisher.max_message_bytes
        with pytest.raises(ValueError, match="reject the review"):
            publisher.publish([fits, Message("out", b"k", b"x" * publisher.max_message_bytes)], lambda: None)
        assert publisher.outstanding == 0
        publisher.publish([fits], lambda: None)
        assert await publisher.flush(20)

    run(test)


def test_broker_that_acknowledges_nothing_is_fatal_when_patience_is_spent(make: Make) -> None:
    async def test() -> None:
        publisher, fatal = make({"publish_patience_seconds": 0.3}, mock=False)
        publisher.publish(messages(b"a"), lambda: None)
        await wait_until_async(lambda: fatal, 30, "patience is spent")
        assert isinstance(fatal[0], BrokerUnavailable)
        assert "STREAM_APP_PUBLISH_PATIENCE_SECONDS" in str(fatal[0])
        await publisher.close(seconds=0)

    run(test)


def test_delivery_error_is_fatal(make: Make) -> None:
    async def test() -> None:
        publisher, fatal = make(mock=False, **{"message.timeout.ms": 200})
        publisher.publish(messages(b"a"), lambda: None)
        await wait_until_async(lambda: fatal, 30, "the error is reported")
        assert "timed out" in str(fatal[0])
        await publisher.close(seconds=0)

    run(test)


def test_exception_in_a_delivery_callback_is_fatal(make: Make) -> None:
    async def test() -> None:
        publisher, fatal = make()
        publisher.publish(messages(b"a"), lambda: [].pop())
        await wait_until_async(lambda: fatal, 20, "the error is reported")
        assert isinstance(fatal[0], IndexError)

    run(test)


def test_null_header_of_a_shop_is_published_as_it_is(make: Make) -> None:
    """A rejected review keeps its headers in the dead letter; one without a value once ended the worker."""

    async def test() -> None:
        publisher, fatal = make()
        delivered: list[str] = []
        null: Any = None
        publisher.publish([Message("out", b"key", b"a", (("trace", null),))], lambda: delivered.append("done"))
        await wait_until_async(lambda: delivered == ["done"], 30, "the message is acknowledged")
        await publisher.close()
        assert fatal == []

    run(test)


def test_message_that_others_overtake_for_too_long_is_fatal(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """One partition is unavailable: the acknowledgements of all others would hide it without end."""
    take = ConfluentPublisher._produce

    def lose(self: ConfluentPublisher, message: Message, delivery: Any) -> bool:
        return message.value == b"lost" or take(self, message, delivery)

    monkeypatch.setattr(ConfluentPublisher, "_produce", lose)

    async def test() -> None:
        publisher, fatal = make({"publish_patience_seconds": 3.0})
        publisher.publish(messages(b"lost"), lambda: None)

        def more() -> list[BaseException]:
            publisher.publish(messages(b"a"), lambda: None)
            return fatal

        await wait_until_async(more, 30, "it is noticed")
        assert isinstance(fatal[0], BrokerUnavailable)
        assert "has not acknowledged a message for out" in " ".join(map(str, fatal))
        await publisher.close(seconds=0)

    run(test)
