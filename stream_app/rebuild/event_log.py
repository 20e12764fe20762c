"""The log of enriched reviews and the consumer groups that read it, asked again while Kafka is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from stream_app.kafka.groups import committed_offsets, members, set_back
from stream_app.kafka.offsets import begin_offsets, end_offsets
from stream_app.kafka.rewrite import lost_beginnings
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import TopicFacts, list_topics, log_identity
from stream_app.retry import Retry
from stream_app.role_table import MAKES_THE_VIEW
from stream_app.settings import KafkaSettings
from stream_app.steps.log_identity import LogIdentity

Value = TypeVar("Value")


class EventLog:
    """Every method raises BrokerUnavailable when the patience of ``retry`` is spent.

    ``view``: settings with the number of a generation, whose consumer group is meant.
    """

    def __init__(self, settings: KafkaSettings, retry: Retry) -> None:
        self._settings = settings
        self._topic = Topics(settings.topic_prefix).enriched
        self._retry = retry

    async def identity(self) -> LogIdentity:
        """Identify the log that these brokers have. Raises ConfigurationError if the topic is missing."""
        return await self._ask(lambda: log_identity(self._settings))

    async def facts(self) -> TopicFacts:
        """Describe the topic, which must exist."""
        facts = await self._ask(lambda: list_topics(self._settings))
        return next(fact for fact in facts if fact.name == self._topic)

    async def lost_beginnings(self) -> dict[int, int]:
        """Count the offsets missing at each partition's beginning. Raises ConfigurationError without the topic."""
        return await self._ask(lambda: lost_beginnings(self._settings, self._topic))

    async def begins(self) -> dict[int, int]:
        """Return the first offset per partition."""
        return await self._ask(lambda: begin_offsets(self._settings, self._topic))

    async def ends(self) -> dict[int, int]:
        """Return the end offset per partition."""
        return await self._ask(lambda: end_offsets(self._settings, self._topic))

    async def committed(self, view: KafkaSettings) -> dict[int, int]:
        """Return the committed offsets of the view's group."""
        return await self._ask(lambda: committed_offsets(view, MAKES_THE_VIEW))

    async def members(self, view: KafkaSettings) -> int:
        """Count the members of the view's group."""
        return await self._ask(lambda: members(view, MAKES_THE_VIEW))

    async def set_back(self, view: KafkaSettings, offsets: Mapping[int, int]) -> None:
        """Set the view's group back to these offsets. It must have no members."""
        await self._ask(lambda: set_back(view, MAKES_THE_VIEW, offsets))

    async def _ask(self, ask: Callable[[], Value]) -> Value:
        return await self._retry(lambda: asyncio.to_thread(ask))


def progress_of(committed: Mapping[int, int], begins: Mapping[int, int], ends: Mapping[int, int]) -> tuple[int, int]:
    """Count (events done, all events) between ``begins`` and ``ends``."""
    done = sum(min(max(committed.get(number, 0), begins[number]), end) - begins[number] for number, end in ends.items())
    return done, sum(end - begins[number] for number, end in ends.items())


def earliest(committed: Sequence[Mapping[int, int]]) -> dict[int, int]:
    """Per partition the least offset of several groups; groups that committed nothing of it are left out."""
    least: dict[int, int] = {}
    for offsets in committed:
        for number, at in offsets.items():
            least[number] = min(at, least.get(number, at))
    return least
