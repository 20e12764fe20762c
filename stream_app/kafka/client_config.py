"""Configuration of the Kafka clients: addresses, and how our producers publish."""

from __future__ import annotations

from typing import Any

from stream_app.kafka.security import librdkafka_security
from stream_app.kafka.topics import MAX_MESSAGE_BYTES
from stream_app.settings import KafkaSettings

RECONNECT_SECONDS = 1.0
"""The longest pause between two attempts to reach a broker."""


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """For every confluent-kafka client. Raises ConfigurationError when the security settings don't fit together."""
    return {
        "bootstrap.servers": settings.brokers,
        "client.id": settings.app_name,
        # librdkafka prints each failed connection to stderr; callers get the error and explain what to do
        "log_level": 2,
        # a broker that is away must not be asked a hundred times a second, nor found back late
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": round(1000 * RECONNECT_SECONDS),
        **librdkafka_security(settings),
    }


def producer_config(settings: KafkaSettings) -> dict[str, Any]:
    """For our producers: nothing is lost, nothing reordered, and products keep the partition that Java gives them."""
    return {
        **client_config(settings),
        "acks": "all",  # guarantee: acks-all
        "enable.idempotence": True,  # guarantee: idempotence
        # librdkafka retries in order for as long as it takes; the publisher's own patience ends the process
        "message.timeout.ms": 0,  # guarantee: librdkafka-never-gives-up
        # librdkafka's default partitioner would put a product elsewhere than the shop's Java producers do
        "partitioner": "murmur2_random",  # guarantee: partitioner
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.messages": 200_000,
        "queue.buffering.max.kbytes": 256 * 1024,
        # long enough to fill batches under load, short against the latency of an alert
        "linger.ms": 5,
        "compression.type": "lz4",
    }


def consumer_config(settings: KafkaSettings) -> dict[str, Any]:
    """For readers outside any consumer group (tail, checks): they commit nothing."""
    return {
        **client_config(settings),
        "group.id": f"{settings.app_name}.reader",  # librdkafka wants one; assign() never joins it
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        # as our workers: what a transaction rolled back was never published
        "isolation.level": "read_committed",
    }


def faust_brokers(settings: KafkaSettings) -> list[str]:
    """The bootstrap servers as Faust's broker URLs."""
    return [f"kafka://{server.strip()}" for server in settings.brokers.split(",") if server.strip()]
