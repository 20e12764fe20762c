"""Lets the broker begin new segments, so that the files of deleted records are removed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ResourceType,
)

from stream_app.kafka.admin import ADMIN_SECONDS, reach
from stream_app.kafka.topics import ROLL_AT_ONCE_MS
from stream_app.ports import BrokerUnavailable
from stream_app.settings import KafkaSettings

_ROLL_MS = str(ROLL_AT_ONCE_MS)
_BROKER_LEARNS_SECONDS = 1.0


@contextmanager
def new_segments(settings: KafkaSettings, topic: str) -> Iterator[None]:
    """Within the block, the next record of each partition begins a new segment.

    The broker then removes the files of the old segments; in one that also holds copies, deleted records would stay on
    disk. What a killed run left is reset by the next one, to the brokers' default. Without the right to alter the topic
    nothing is changed.
    """
    before = _own_segment_ms(settings, topic)
    if not _set_segment_ms(settings, topic, _ROLL_MS):
        yield
        return
    try:
        time.sleep(_BROKER_LEARNS_SECONDS)
        yield
    finally:
        if not _set_segment_ms(settings, topic, None if before == _ROLL_MS else before):
            raise BrokerUnavailable(f"segment.ms of {topic} could not be set back and is {_ROLL_MS}. Run this again.")


def _own_segment_ms(settings: KafkaSettings, topic: str) -> str | None:
    """Return the topic's segment.ms; None if it is the brokers' default or may not be read."""

    def ask(admin: AdminClient) -> str | None:
        [future] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        entry = future.result(ADMIN_SECONDS)["segment.ms"]
        return str(entry.value) if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value else None

    try:
        return reach(settings, ask)
    except (BrokerUnavailable, TimeoutError):
        return None


def _set_segment_ms(settings: KafkaSettings, topic: str, value: str | None) -> bool:
    """Set segment.ms; None resets it to the brokers' default. Returns False without the right to."""
    operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry("segment.ms", value or "", incremental_operation=operation)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])

    def alter(admin: AdminClient) -> None:
        [future] = admin.incremental_alter_configs([resource], request_timeout=ADMIN_SECONDS).values()
        future.result(ADMIN_SECONDS)

    try:
        reach(settings, alter)
    except (BrokerUnavailable, TimeoutError):
        return False
    return True
