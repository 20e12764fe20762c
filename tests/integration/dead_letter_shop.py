"""A shop whose reviews are rejected, and `stream-app dead-letter` on the topics it writes to."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from typer.testing import CliRunner, Result

from stream_app import contract
from stream_app.__main__ import app
from stream_app.kafka.blocking_producer import BlockingProducer, republish
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics, retention_ms
from stream_app.records import Message, Rejected
from stream_app.settings import Settings
from tests.waiting import wait_until

EXAMPLES = contract.schema_folder() / "examples" / "invalid"
REASONS: dict[str, str] = json.loads((EXAMPLES / "reasons.json").read_text())


class Shop:
    """A broker's topics under a prefix, the reviews sent to them, and a stand-in for the role that rejects."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self.settings = Settings(
            _env_file=None, brokers=brokers, topic_prefix=prefix, partitions=3, publish_patience_seconds=20
        )
        self.topics = Topics(prefix)
        create_topics(self.settings)
        self._rejected: set[tuple[str, int, int]] = set()

    def send(self, values: Iterable[bytes | None], key: bytes | None = b"kettle") -> None:
        with BlockingProducer(self.settings) as producer:
            for value in values:
                producer.send(key, value)

    def reject(self, topic: str | None = None, *, twice: bool = False) -> int:
        """Write dead letters for the unreadable new records of a topic, as a role does; ``twice``: as after a crash."""
        rejects = []
        for record in read_to_end(self.settings, topic or self.topics.reviews):
            place = record[:3]
            if place in self._rejected:
                continue
            self._rejected.add(place)
            found = contract.decode_review(
                record, now_ms=int(time.time() * 1000), max_future_ms=300_000, max_text_characters=20_000
            )
            if isinstance(found, Rejected):
                rejects += [found] * (1 + twice)
        self.write(contract.dead_letter_message(self.topics.dead_letter, rejected) for rejected in rejects)
        return len(rejects)

    def write(self, messages: Iterable[Message]) -> None:
        def done(_: int, refusal: str | None) -> None:
            assert refusal is None

        republish(self.settings, messages, done)

    def ends(self) -> dict[str, int]:
        return {name: sum(end_offsets(self.settings, name).values()) for name in self.topics.all()}

    def replayed(self, topic: str | None = None) -> Counter[bytes]:
        """Whose replays a topic holds, and how many of each."""
        headers = (dict(record.headers) for record in read_to_end(self.settings, topic or self.topics.reviews))
        return Counter(found[contract.HEADER_REPLAY_OF] for found in headers if contract.HEADER_REPLAY_OF in found)

    def dead_letters(self) -> list[contract.DeadLetter]:
        return [contract.read_dead_letter(record) for record in read_to_end(self.settings, self.topics.dead_letter)]

    def arguments(self, *arguments: str) -> list[str]:
        servers = ["--brokers", self.settings.brokers, "--topic-prefix", self.settings.topic_prefix]
        return ["dead-letter", *arguments, *servers]

    def run(self, *arguments: str) -> str:
        """What the command prints; raises what it raises."""
        result = self.result(*arguments)
        if result.exception is not None:
            raise result.exception
        return result.stdout

    def result(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, self.arguments(*arguments))

    def listed(self, *arguments: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.run("list", "--json", *arguments).splitlines()]


def place_of(dead_letter: contract.DeadLetter) -> str:
    return f"{dead_letter.record.partition}:{dead_letter.record.offset}"


def delete_all(shop: Shop, topic: str) -> None:
    """What retention does, at once."""
    admin = AdminClient({"bootstrap.servers": shop.settings.brokers})
    ends = end_offsets(shop.settings, topic)
    for future in admin.delete_records([TopicPartition(topic, number, end) for number, end in ends.items()]).values():
        future.result(10)
    wait_until(lambda: list(read_to_end(shop.settings, topic)) == [], 30, "records are still there")


def keep_for(shop: Shop, topic: str, milliseconds: int) -> None:
    """Set the topic's retention; the broker deletes nothing by it within minutes."""
    entry = ConfigEntry("retention.ms", str(milliseconds), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": shop.settings.brokers})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    wait_until(lambda: retention_ms(shop.settings, topic) == milliseconds, 30, "the retention did not change")


def place_of_line(line: dict[str, object]) -> str:
    origin = line["origin"]
    assert isinstance(origin, dict)
    return f"{origin['partition']}/{origin['offset']}"
