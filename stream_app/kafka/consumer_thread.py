"""aiokafka as Faust's consumer thread drives it: how records are fetched, and where each position is.

aiokafka itself is touched in that thread alone: ``touch`` and ``seek_to_committed`` go there from the event loop's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka.consumer.fetcher import OffsetResetStrategy
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, KafkaConnectionError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver

from stream_app import telemetry
from stream_app.kafka import raw_records  # noqa: F401 - puts its parser into aiokafka's fetcher
from stream_app.kafka.fatal import fatal
from stream_app.kafka.fetcher import PatientFetcher
from stream_app.ports import BrokerUnavailable, Unavailable
from stream_app.records import Partition, RawRecord
from stream_app.retry import Retry
from stream_app.steps.log_identity import LogIdentity
from stream_app.steps.log_mark import marked, unmarked, was_recreated

AIOKAFKA_VERSION = "0.14.0"
"""What these overrides were written against; a test fails when another one is installed."""

_CONNECT_SECONDS = 10.0
_LEAVE_SECONDS = 3.0
_END_OFFSETS_SECONDS = 5.0


class Polled(dict[Any, list[RawRecord]]):
    """The records of one poll by partition, and the positions they belong to."""

    def __init__(self, position_epoch: int) -> None:
        super().__init__()
        self.position_epoch = position_epoch
        self.positions: dict[Partition, int] = {}
        """Per partition the next offset to be fetched: every record before it is in this poll or an earlier one.
        Transaction markers, aborted records and compacted gaps are behind it without ever being in a poll.
        """
        self.ends: dict[Partition, int] = {}
        """Up to where each partition could be read when its broker answered last (the last stable offset)."""
        self.at_end: frozenset[Any] = frozenset()
        """Partitions that are read to the end which the last answer of their broker named."""
        self.restarted: dict[Partition, int] = {}
        """Partitions that no longer reach to where they were read, and the offset from which they are read now."""


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread in which aiokafka lives."""

    position_epoch = 0
    """Raised in this thread, together with the positions themselves, whenever these are set again."""
    committed_metadata: Mapping[Any, str] = {}
    """What was committed with the offsets that ``seek_to_committed`` found last, without the mark of the log."""
    log_identity = LogIdentity("", "")
    """Which log the topic was when the process began."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        """Reads committed records only: what a shop's transaction rolled back was never published. Faust asks for this
        only where the app itself takes part in transactions.
        """
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # guarantee: committed-records-only
        return consumer

    async def on_start(self) -> None:
        app = self.consumer.app
        try:
            # guarantee: first-connection-is-tried-again
            await Retry("kafka", app.settings.publish_patience_seconds)(self._connect)
        except Unavailable as error:
            fatal(error)
        app.connected = True
        self.log_identity = app.log_identity
        fetcher = self._consumer._fetcher
        fetcher.__class__ = PatientFetcher  # aiokafka makes it itself
        fetcher.role = app.role
        fetcher.reached, fetcher.restarted = {}, {}

    async def _connect(self) -> None:
        """Make aiokafka's consumer and connect it. Raises BrokerUnavailable if it reaches no broker.

        aiokafka would wait for each silent one as long as a request may take.
        """
        settings = self.consumer.app.settings
        try:
            async with asyncio.timeout(max(_CONNECT_SECONDS, settings.publish_patience_seconds)):
                await super().on_start()
        except (KafkaConnectionError, TimeoutError, BrokerUnavailable) as error:
            await self._consumer.stop()
            if isinstance(error, BrokerUnavailable):  # no token
                raise
            raise BrokerUnavailable(f"Kafka at {settings.brokers} cannot be connected to.") from error

    async def touch(self) -> None:
        """Reset aiokafka's idle clock while nothing is fetched.

        A consumer that is idle for ``max_poll_interval`` leaves the group and never comes back.
        Raises errors of the coordinator, such as missing rights, which Faust never checks.
        """
        await self.call_thread(self._touch)

    async def _touch(self) -> None:
        consumer = self._ensure_consumer()
        consumer._coordinator.check_errors()
        with consumer._subscription.fetch_context():  # guarantee: touch-resets-the-idle-clock
            pass

    async def on_thread_stop(self) -> None:
        """Leave the group, unless Kafka does not answer; the session of this member then expires.

        aiokafka would wait for an answer, or for a commit under way, as long as a request may take.
        """
        leaving = asyncio.ensure_future(super().on_thread_stop())
        await asyncio.wait([leaving], timeout=_LEAVE_SECONDS)
        if not leaving.done():
            telemetry.group_was_not_left(_LEAVE_SECONDS)
        elif not leaving.cancelled():  # as it is where aiokafka's fetcher is stopped in its pause between two tries
            leaving.result()

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Polled:
        """Fetch an equal share of each partition; aiokafka would empty one before it turns to the next."""
        if not self.consumer.flow_active:
            return Polled(self.position_epoch)
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        consumer._coordinator.check_errors()
        holding = sum(tp in active_partitions for tp in fetcher._records)
        share = max(1, (max_records or 1) // max(1, holding or len(active_partitions)))
        with fetcher._subscriptions.fetch_context():
            first = await fetcher.fetched_records(active_partitions, timeout=timeout, max_records=share)
            # no await that waits from here on: these records and position_epoch belong together
            polled = Polled(self.position_epoch)
            polled.update(first)
            rest = [tp for tp in fetcher._records if tp in active_partitions and tp not in polled]
            if rest:  # what was held may have been used up, and others have come while it waited
                share = max(1, ((max_records or 1) - sum(map(len, polled.values()))) // len(rest))
            for partition in rest:
                polled.update(await fetcher.fetched_records([partition], timeout=0, max_records=share))
            polled.positions, polled.ends, polled.at_end = _positions(consumer, active_partitions)
            polled.restarted, fetcher.restarted = fetcher.restarted, {}
            fetcher.reached |= polled.positions
        return polled

    async def commit_noted(self, offsets: Mapping[Any, tuple[int, str]]) -> bool:
        """Commit each offset with its metadata, which Faust leaves empty, and the mark of the log (``steps/log_mark``).
        False: the group is being rebalanced.
        """
        done: bool = await self.call_thread(self._commit_noted, offsets)
        return done

    async def _commit_noted(self, offsets: Mapping[Any, tuple[int, str]]) -> bool:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        mine = {
            TopicPartition(*tp): OffsetAndMetadata(offset, marked(metadata, self.log_identity))
            for tp, (offset, metadata) in offsets.items()
            if tp in assigned
        }
        if not mine:
            return False
        self.tp_last_committed_at.update(dict.fromkeys(mine, time.monotonic()))  # Faust warns of those left behind
        try:
            await consumer.commit(mine)
        except CommitFailedError:
            return False
        return True

    async def end_offsets(self, partitions: Sequence[Any]) -> Mapping[Any, int]:
        """Return the end offset of each partition; of none where one has no leader for longer than 5 s, which must not
        hold up the others.
        """
        ends: Mapping[Any, int] = await self.call_thread(self._end_offsets, partitions)
        return ends

    async def _end_offsets(self, partitions: Sequence[Any]) -> Mapping[Any, int]:
        ends: Mapping[Any, int] = {}
        if partitions:
            with suppress(TimeoutError, KafkaError):  # guarantee: partition-without-a-leader-holds-up-no-other
                async with asyncio.timeout(_END_OFFSETS_SECONDS):
                    ends = await self._ensure_consumer().end_offsets(list(partitions))
        return ends

    async def seek_to_committed(self) -> Mapping[Any, int | None]:
        """Set all positions to the committed offsets at once. Empty when the partitions were taken away meanwhile.

        aiokafka's own seeks one after the other, with waits between them in which records are fetched and lost, and
        leaves uncommitted partitions where they are. ``committed_metadata`` is what was committed with them. A commit
        that is marked with another log, since the topic was deleted and recreated, counts as none.
        """
        offsets: Mapping[Any, int | None] = await self.call_thread(self._seek_to_committed)
        return offsets

    async def _seek_to_committed(self) -> Mapping[Any, int | None]:
        consumer = self._ensure_consumer()
        assignment = consumer._subscription.subscription.assignment
        committed = await consumer._coordinator.fetch_committed_offsets(list(assignment.tps))
        if not assignment.active:
            return {}
        committed = {tp: found for tp, found in committed.items() if found.offset >= 0 and self._is_ours(tp, found)}
        self.committed_metadata = {tp: unmarked(found.metadata or "", tp.topic)[0] for tp, found in committed.items()}
        offsets: dict[Any, int | None] = {}
        consumer._fetcher.reached, consumer._fetcher.restarted = {}, {}
        for tp in assignment.tps:  # without awaits: nothing is fetched between the first seek and the last
            offset = committed[tp].offset if tp in committed else -1
            offsets[tp] = offset if offset >= 0 else None
            if offset >= 0:
                consumer._fetcher.seek_to(tp, offset)
                consumer._fetcher.reached[Partition(*tp)] = offset  # guarantee: commit-is-compared-with-the-log
            else:
                # guarantee: reading-goes-on-at-the-commit
                consumer._fetcher.request_offset_reset([tp], OffsetResetStrategy.EARLIEST)
        self.position_epoch += 1  # guarantee: positions-have-an-epoch
        return offsets

    def _is_ours(self, tp: Any, committed: Any) -> bool:
        """Is the offset one of the present log, as far as is known?"""
        before, present = unmarked(committed.metadata or "", tp.topic)[1], self.log_identity
        if was_recreated(before, present):  # guarantee: commit-belongs-to-its-log
            place = Partition(*tp)
            telemetry.topic_was_recreated(*place, committed.offset, before.topic_id, present.topic_id)
            return False
        return True


def _positions(
    consumer: Any, partitions: Iterable[Any]
) -> tuple[dict[Partition, int], dict[Partition, int], frozenset[Any]]:
    """Where each of these partitions is read next, up to where it can be read, and which are read to their end; those
    whose position is being set are left out.
    """
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription is not None else None
    if assignment is None or not assignment.active:
        return {}, {}, frozenset()
    states = {tp: assignment.state_value(tp) for tp in partitions if tp in assignment.tps}
    positions = {tp: state.position for tp, state in states.items() if state.has_valid_position}
    ends = {tp: states[tp].lso for tp in positions if states[tp].lso is not None}
    at_end = frozenset(tp for tp, end in ends.items() if positions[tp] >= end)
    return (
        {Partition(*tp): at for tp, at in positions.items()},
        {Partition(*tp): end for tp, end in ends.items()},
        at_end,
    )
