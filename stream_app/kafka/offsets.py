"""Reports the offsets of a topic's partitions."""

from __future__ import annotations

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream_app.kafka.admin import ADMIN_SECONDS, reach
from stream_app.ports import ConfigurationError
from stream_app.settings import KafkaSettings


def end_offsets(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Return the last stable offset per partition: that of the next message, or of an open transaction's first one.

    The offsets just before it need not be records (transaction markers), so compare it with a consumer's position.
    """
    return offsets(settings, topic, OffsetSpec.latest())


def log_ends(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Return the offset of the next message per partition, open transactions included."""
    return offsets(settings, topic, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)


def held_back(settings: KafkaSettings, topic: str) -> int:
    """Count the offsets after the start of an open transaction, which consumers get only when it ends."""
    readable = end_offsets(settings, topic)
    return sum(end - readable[number] for number, end in log_ends(settings, topic).items())


def begin_offsets(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Return the offset of the first message that is still there, per partition."""
    return offsets(settings, topic, OffsetSpec.earliest())


def offsets(
    settings: KafkaSettings, topic: str, at: OffsetSpec, isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
) -> dict[int, int]:
    """Return the offset at ``at`` per partition. Raises ConfigurationError if the topic is missing."""
    metadata = reach(settings, lambda client: client.list_topics(topic, timeout=ADMIN_SECONDS)).topics[topic]
    if metadata.error is not None:
        raise ConfigurationError(f"Topic {topic} does not exist: `stream-app topics create` makes it.")
    asked = {TopicPartition(topic, number): at for number in metadata.partitions}

    def ask(client: AdminClient) -> dict[int, int]:
        found = client.list_offsets(asked, isolation_level=isolation, request_timeout=ADMIN_SECONDS)
        return {partition.partition: future.result(ADMIN_SECONDS).offset for partition, future in found.items()}

    return reach(settings, ask)
