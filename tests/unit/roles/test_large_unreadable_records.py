"""Unreadable records as large as a topic takes, in what the roles of the view read: rejected within the topic's limit,
and the next record is processed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from stream_app import contract
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.topics import MAX_MESSAGE_BYTES
from stream_app.ports import InFlightRecord
from stream_app.records import Message, Partition, RawRecord
from stream_app.roles.notify.role import Notify
from stream_app.settings import Settings
from stream_app.testing.kafka import FakeAcks, in_flight_of
from tests.unit.roles import test_notify_role, test_summarize_role
from tests.unit.roles.delivery_stage import Stage

Take = Callable[[RawRecord], Awaitable[Message]]
"""Gives a role the record and a good one behind it, which it must process; the record's dead letter."""

MOST = MAX_MESSAGE_BYTES - 200  # what a producer may send at once, less Kafka's own fields
PART = MOST // 3
MANY = 90_000  # headers; an empty one takes 2 bytes of a record, and librdkafka counts 10


def rejected(acks: FakeAcks) -> Message:
    assert acks.calls[0] == ("finish", 0, ["reviews.dead-letter"])
    [dead_letter] = acks.messages["reviews.dead-letter"]
    return dead_letter


async def by_summarize(record: RawRecord) -> Message:
    large = InFlightRecord(record, Partition("reviews.enriched", 0), epoch=1)
    async with test_summarize_role.staged(settle_seconds=60) as stage:
        await stage.role.take([large, test_summarize_role.in_flight(1)])
        assert await stage.counted() == 1
        return rejected(stage.acks)


async def by_notify(record: RawRecord) -> Message:
    stage, acks, errors = Stage(), FakeAcks(), list[BaseException]()
    settings = Settings(_env_file=None, redis_settle_seconds=60)
    role = Notify(settings, stage.store, stage.deliveries, fatal=errors.append)
    large = InFlightRecord(record, Partition("reviews.alerts", 0), epoch=1)
    await role.start(acks)
    await role.take([large, in_flight_of(test_notify_role.VALUE, 1, topic="reviews.alerts")])
    assert await stage.store.recent_alerts(10) == [test_notify_role.ALERT]
    await role.stop()
    assert errors == []
    return rejected(acks)


@pytest.mark.parametrize(
    ("key", "headers", "value"),
    [
        (b"k", (), b"{" * MOST),
        (b"k" * MOST, (), b"{"),
        (b"k", (("trace", b"h" * MOST),), b"{"),
        (b"k", (("ü" * (MOST // 2), b""),), b"{"),
        (b"k" * PART, (("trace", b"h" * PART),), b"{" * PART),
        (b"k", (("", b""),) * MANY, b"{" * (MOST - 3 * MANY)),
    ],
    ids=["value", "key", "header", "name of a header", "a third each", "many small headers"],
)
@pytest.mark.parametrize("take", [by_summarize, by_notify])
def test_unreadable_record_as_large_as_its_topic_takes_is_rejected_and_the_next_is_processed(
    take: Take, key: bytes, headers: tuple[tuple[str, bytes], ...], value: bytes
) -> None:
    """librdkafka itself says that the dead letter is not too large: it counts before it needs a broker."""

    async def scenario() -> None:
        dead_letter = await take(RawRecord("reviews.x", 0, 0, 0, key, value, headers))
        failed: list[BaseException] = []
        publisher = ConfluentPublisher(Settings(_env_file=None, brokers="127.0.0.1:1"), failed.append)
        publisher.publish([dead_letter], lambda: None)
        await publisher.close(0)
        assert failed == []
        read = contract.read_dead_letter(RawRecord("dead", 0, 0, 0, *dead_letter[1:]))
        assert (read.origin, read.reason) == (("reviews.x", 0, 0), "not_json")
        assert read.lacks_original

    asyncio.run(scenario())
