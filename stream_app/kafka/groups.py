"""A consumer group from outside: who is in it, and where it goes on reading."""

from __future__ import annotations

import re
from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from stream_app.kafka.admin import committed_offsets, reach, topic_of
from stream_app.kafka.client_config import consumer_config
from stream_app.settings import Settings

_SECONDS = 10.0


def members(settings: Settings, role: str) -> int:
    """How many processes are in the role's group; one that died counts until its session ends."""
    group = settings.group(role)

    def ask(client: object) -> int:
        [described] = client.describe_consumer_groups([group], request_timeout=_SECONDS).values()  # type: ignore[attr-defined]
        return len(described.result(_SECONDS).members)

    return reach(settings, ask)


def has_consumed(settings: Settings, role: str) -> bool:
    """Did the role's group ever get further than the beginning?"""
    return any(offset > 0 for offset in committed_offsets(settings, role).values())


def generations_consumed(settings: Settings) -> list[int]:
    """The generations whose `summarize` got further than the beginning, as far as we may list groups, ascending."""
    numbered = re.compile(re.escape(settings.model_copy(update={"generation": 1}).group("summarize")[:-1]) + r"(\d+)")
    names = reach(
        settings, lambda client: [one.group_id for one in client.list_consumer_groups().result(_SECONDS).valid]
    )
    numbers = sorted(int(found[1]) for name in names if (found := numbered.fullmatch(name)))
    return [n for n in numbers if has_consumed(settings.model_copy(update={"generation": n}), "summarize")]


def set_back(settings: Settings, role: str, offsets: Mapping[int, int]) -> None:
    """Let the role's group go on from these offsets where it committed later ones. The group must have no members.

    Raises BrokerUnavailable, also when somebody is in the group.
    """
    later = committed_offsets(settings, role)
    _commit(settings, role, {number: at for number, at in offsets.items() if at < later.get(number, -1)})


def set_forward(settings: Settings, role: str, offsets: Mapping[int, int]) -> None:
    """Let the role's group go on from these offsets where it committed earlier ones. The group must have no members.

    Raises BrokerUnavailable, also when somebody is in the group.
    """
    earlier = committed_offsets(settings, role)
    _commit(settings, role, {number: at for number, at in offsets.items() if at > earlier.get(number, -1)})


def _commit(settings: Settings, role: str, offsets: Mapping[int, int]) -> None:
    topic = topic_of(settings, role)
    wanted = [TopicPartition(topic, number, at) for number, at in offsets.items()]
    if not wanted:
        return
    consumer = Consumer({**consumer_config(settings), "group.id": settings.group(role)})
    try:
        reach(settings, lambda _: consumer.commit(offsets=wanted, asynchronous=False))
    finally:
        consumer.close()
