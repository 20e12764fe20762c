"""The publisher while its broker is away: it waits, and then each message is there once, in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.records import Message
from stream_app.settings import Settings
from tests.waiting import wait_until_async


def test_broker_that_is_away_for_a_while_gets_everything_once_and_in_order(tmp_path: Path, topic_prefix: str) -> None:
    """An outage within patience is none of the caller's business; the callbacks come when the broker is back."""
    broker = EmbeddedKafka(tmp_path / "kafka", port=0)
    broker.start()
    settings = Settings(_env_file=None, brokers=broker.address, topic_prefix=topic_prefix, partitions=1)
    create_topics(settings)
    topic = Topics(topic_prefix).enriched
    acknowledged: list[int] = []
    fatal: list[BaseException] = []

    async def publish() -> None:
        publisher = ConfluentPublisher(settings, fatal.append)

        def send(number: int) -> None:
            publisher.publish([Message(topic, b"key", str(number).encode())], lambda: acknowledged.append(number))

        send(0)
        await wait_until_async(lambda: acknowledged == [0], 20, "the first one is acknowledged")
        broker.stop()
        for number in range(1, 20):
            send(number)
        assert not await publisher.flush(3.0), "the broker is away"
        assert (acknowledged, fatal) == ([0], [])
        broker.start()  # on this thread: the broker ends with the one that started it
        assert await publisher.flush(30)
        await publisher.close(seconds=0.0)

    try:
        asyncio.run(publish())
        assert (acknowledged, fatal) == (list(range(20)), [])
        assert [record.value for record in read_to_end(settings, topic)] == [str(n).encode() for n in range(20)]
    finally:
        broker.stop()
