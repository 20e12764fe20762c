"""Bad records larger than a dead letter may be, on a real broker: each ends in the dead letter, and nothing stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from stream_app import contract
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.records import RawRecord, Rejected
from stream_app.settings import Settings

MIB = 2**20
ROOM = contract.MAX_DEAD_LETTER_BYTES


def records() -> Iterator[RawRecord]:
    """What comes compressed past the input's limit, and what just does not fit with the error headers."""
    record = RawRecord("reviews", 0, 0, 0, b"k", b"{")
    yield record
    for size in (ROOM - 400, ROOM, 2 * MIB - 200, 2 * MIB, 5 * MIB):
        yield record._replace(value=b"v" * size)
        yield record._replace(key=b"k" * size)
        yield record._replace(headers=(("trace", b"h" * size),))
        yield record._replace(headers=(("ü" * (size // 2), b""),))
    yield record._replace(headers=(("", b""),) * 90_000, value=b"v" * (ROOM - 1_000))
    for count in (1_000, 10_000, 100_000, 200_000, 400_000):
        yield record._replace(headers=(("", b""),) * count)
        yield record._replace(
            headers=(("", b""),) * count, value=b"v" * (2 * MIB - 10 * count if count < 200_000 else 0)
        )


def test_dead_letter_of_any_record_reaches_its_topic(kafka: str, topic_prefix: str) -> None:
    """Neither librdkafka nor the broker refuses one; each says what it lacks."""
    settings = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix, partitions=1)
    create_topics(settings)
    topic = Topics(topic_prefix).dead_letter
    originals = list(records())
    failed: list[BaseException] = []

    async def publish() -> None:
        publisher = ConfluentPublisher(settings, failed.append)
        for record in originals:
            message = contract.dead_letter_message(topic, Rejected(record, "not_json", "no"))
            publisher.publish([message], lambda: None)
            assert await publisher.flush(30)
        await publisher.close()

    asyncio.run(publish())

    assert failed == []
    dead_letters = [contract.read_dead_letter(record) for record in read_to_end(settings, topic)]
    assert len(dead_letters) == len(originals)
    for record, dead_letter in zip(originals, dead_letters, strict=True):
        kept = {part.split(";")[0] for part in dead_letter.dropped}.symmetric_difference({"value", "headers", "key"})
        assert dead_letter.record.value == (record.value if "value" in kept else None)
        assert dead_letter.record.key == (record.key if "key" in kept else None)
        assert dead_letter.original_headers == (record.headers if "headers" in kept else ())


def test_limit_of_a_dead_letter_is_what_a_publisher_takes() -> None:
    """Written in two rooms that do not import each other."""
    assert ConfluentPublisher.max_message_bytes == contract.MAX_DEAD_LETTER_BYTES
