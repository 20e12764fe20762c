"""`summarize` without side effects: fills a generation that is being built, and publishes nothing a second time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from stream_app import contract
from stream_app.kafka.run import Fatal, run_role
from stream_app.kafka.topics import Topics
from stream_app.ports import Acks, InFlightRecord, Publisher, StreamRole
from stream_app.records import Message, Partition
from stream_app.roles.run import now_ms
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.store.replay import ReplayStore


def run_view_replay(settings: Settings) -> None:
    """Apply the log to ``settings.generation``, in its consumer group; returns after SIGTERM or SIGINT.

    The role is `summarize` itself: the same script and the same acknowledging. What it would publish is dropped.
    """

    def make(publisher: Publisher, fatal: Fatal) -> StreamRole:
        store = ReplayStore.from_settings(settings)
        return SideEffectFree(Summarize(settings, store, NothingPublished(), now_ms=now_ms, fatal=fatal))

    run_role(settings, "summarize", Topics(settings.topic_prefix).enriched, make)


class NothingPublished:
    """ports.Publisher that drops messages and reports them as delivered."""

    def publish(self, messages: Iterable[Message], on_delivered: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(on_delivered)


class NothingFollows:
    """ports.Acks that acknowledges records without publishing their messages (dead letters) a second time.

    Except for what failed here alone: without its dead letter a review would be missing from the new view unnoticed.
    """

    def __init__(self, acks: Acks) -> None:
        self._acks = acks

    def publish_early(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        return

    def finish(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        # guarantee: rebuilding-has-no-side-effects
        self._acks.finish(in_flight, [one for one in messages if _failed_here(one)])

    def finish_all(self, finished: Iterable[tuple[InFlightRecord, Sequence[Message]]]) -> None:
        for in_flight, messages in finished:
            self.finish(in_flight, messages)


def _failed_here(message: Message) -> bool:
    return (contract.HEADER_ERROR_REASON, b"internal_error") in message.headers


class SideEffectFree:
    """ports.StreamRole around another one, whose messages are dropped."""

    def __init__(self, role: StreamRole) -> None:
        self._role = role

    async def start(self, acks: Acks) -> None:
        await self._role.start(NothingFollows(acks))

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        await self._role.take(in_flight_records)

    def has_room(self) -> bool:
        return self._role.has_room()

    def fetch_wait_ms(self) -> int:
        return self._role.fetch_wait_ms()

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        self._role.drop_waiting(partitions)

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        await self._role.finish_started(partitions)

    async def stop(self) -> None:
        await self._role.stop()
