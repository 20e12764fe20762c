"""Reports and sets the committed offsets of the roles' consumer groups, and counts their members."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from stream_app.kafka.admin import ADMIN_SECONDS, reach
from stream_app.kafka.client_config import consumer_config
from stream_app.kafka.offsets import begin_offsets, end_offsets
from stream_app.kafka.topics import Topics
from stream_app.role_table import MAKES_THE_VIEW
from stream_app.settings import KafkaSettings


def topic_of(settings: KafkaSettings, role: str) -> str:
    """Return the full name of the topic that a role consumes."""
    [topic] = Topics(settings.topic_prefix).read_by(role)
    return topic


def lag(settings: KafkaSettings, role: str) -> int:
    """Count the records of its topic that the role has not committed yet."""
    topic = topic_of(settings, role)
    committed = committed_offsets(settings, role)
    begins = begin_offsets(settings, topic)
    ends = end_offsets(settings, topic)
    return sum(max(0, end - max(committed.get(number, 0), begins[number])) for number, end in ends.items())


def committed_offsets(settings: KafkaSettings, role: str) -> dict[int, int]:
    """Return the committed offsets of the role's group, without partitions that have none."""
    topic = topic_of(settings, role)
    partitions = [TopicPartition(topic, number) for number in end_offsets(settings, topic)]
    member = _member_of(settings, settings.group(role))
    found = reach(settings, lambda _: member.committed(partitions, timeout=ADMIN_SECONDS))
    return {partition.partition: partition.offset for partition in found if partition.offset >= 0}


@lru_cache(maxsize=8)
def _member_of(settings: KafkaSettings, group: str) -> Consumer:
    """Return a consumer that asks for the offsets of a group and never joins it.

    The admin client's own request (ListConsumerGroupOffsets) crashes librdkafka 2.16 while a commit is under way.
    """
    return Consumer({**consumer_config(settings), "group.id": group})


def members(settings: KafkaSettings, role: str) -> int:
    """Count the members of the role's group; one that died counts until its session ends."""
    return len(described(settings, role).members)


def described(settings: KafkaSettings, role: str) -> Any:
    """Return the brokers' description of the role's group; one that never was is "dead", without members."""

    def ask(client: AdminClient) -> Any:
        [group] = client.describe_consumer_groups([settings.group(role)], request_timeout=ADMIN_SECONDS).values()
        return group.result(ADMIN_SECONDS)

    return reach(settings, ask)


def has_consumed(settings: KafkaSettings, role: str) -> bool:
    """Has the role's group ever committed more than the beginning?"""
    return any(offset > 0 for offset in committed_offsets(settings, role).values())


def generations_consumed(settings: KafkaSettings) -> list[int]:
    """Return the generations whose `summarize` has consumed records, ascending, as far as groups may be listed."""
    numbered = re.compile(
        re.escape(settings.model_copy(update={"generation": 1}).group(MAKES_THE_VIEW)[:-1]) + r"(\d+)"
    )
    names = reach(
        settings, lambda client: [one.group_id for one in client.list_consumer_groups().result(ADMIN_SECONDS).valid]
    )
    numbers = sorted(int(found[1]) for name in names if (found := numbered.fullmatch(name)))
    return [n for n in numbers if has_consumed(settings.model_copy(update={"generation": n}), MAKES_THE_VIEW)]


def set_back(settings: KafkaSettings, role: str, offsets: Mapping[int, int]) -> None:
    """Set the role's group back to these offsets where it committed later ones. The group must have no members.

    Raises BrokerUnavailable, also if the group has members.
    """
    later = committed_offsets(settings, role)
    _commit(settings, role, {number: at for number, at in offsets.items() if at < later.get(number, -1)})


def set_forward(settings: KafkaSettings, role: str, offsets: Mapping[int, int]) -> None:
    """Set the role's group forward to these offsets where it committed earlier ones. The group must have no members.

    Raises BrokerUnavailable, also if the group has members.
    """
    earlier = committed_offsets(settings, role)
    _commit(settings, role, {number: at for number, at in offsets.items() if at > earlier.get(number, -1)})


def _commit(settings: KafkaSettings, role: str, offsets: Mapping[int, int]) -> None:
    topic = topic_of(settings, role)
    wanted = [TopicPartition(topic, number, at) for number, at in offsets.items()]
    if not wanted:
        return
    consumer = Consumer({**consumer_config(settings), "group.id": settings.group(role)})
    try:
        reach(settings, lambda _: consumer.commit(offsets=wanted, asynchronous=False))
    finally:
        consumer.close()
