"""The consumer's offsets: positions set from the committed offsets, and commits of what the sequencers release."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream_app import telemetry
from stream_app.kafka.consumer_thread import ConsumerThread, Polled
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.kafka.fatal import fatal
from stream_app.ports import BrokerUnavailable
from stream_app.records import Partition
from stream_app.steps.sequence import OffsetJumpedBack

_SEEK_SECONDS = 60.0  # at least, however short patience is: a coordinator may have to be elected


class CommittingConsumer(driver.Consumer):  # type: ignore[misc]
    """Commits what the sequencers release and nothing else, with the crash notes of a role that has some."""

    _crashes: CrashMemory | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.app
        self._acks = app.acks
        self._crashes = app.crashes
        if self._crashes is not None:
            self._crashes.commits_by(self._commit_notes)
        self._committed: dict[Any, int] = {}
        self._committing = asyncio.Lock()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Set positions from the committed offsets, and begin an epoch: records count from here on."""
        patience = max(_SEEK_SECONDS, self.app.settings.publish_patience_seconds)
        try:
            async with asyncio.timeout(patience):
                offsets = await self._thread.seek_to_committed()
                await self._read_notes(offsets)
        except TimeoutError:
            fatal(BrokerUnavailable(f"Kafka returned no committed offsets in {patience:.0f} s."))
        self._committed = {TP(*tp): offset for tp, offset in offsets.items() if offset is not None}
        self._acks.open(Partition(*tp) for tp in offsets)

    async def _read_notes(self, offsets: Mapping[Any, int | None]) -> None:
        if self._crashes is None:
            return
        self._crashes.revoked()
        metadata = self._thread.committed_metadata
        ends = await self._thread.end_offsets([tp for tp in offsets if metadata.get(tp)])
        for tp, offset in offsets.items():
            self._crashes.assigned(Partition(*tp), offset, metadata.get(tp, ""), ends.get(tp))

    def _filter_committable_offsets(self, tps: Iterable[Any]) -> dict[Any, int]:
        """Return the sequencers' offsets. Faust's own are acknowledged in a ``finally`` and skip what is unfinished."""
        offsets = {}  # guarantee: commits-from-the-sequencer
        for partition in self._acks.partitions:
            tp = TP(partition.topic, partition.number)
            offset = self._acks.next_offset(partition)
            # 0 by default: a group that has read nothing commits nothing
            if offset is not None and offset > self._committed.get(tp, 0):
                offsets[tp] = offset
        if self._crashes is not None:
            crashes = self._crashes
            stale = [one for one in self._acks.partitions if crashes.stale(one, self._acks.next_offset(one))]
            offsets.update(self._with_offsets(stale))
        return offsets

    def _with_offsets(self, partitions: Iterable[Partition]) -> dict[Any, int]:
        """Return the offsets with which the notes of these partitions can be committed now."""
        offsets = {}
        for partition in partitions:
            offset = self._acks.next_offset(partition)
            if offset is None and self._crashes is not None:
                # what is committed may be less than at the start, where the log was made again
                offset = self._committed.get(TP(*partition), self._crashes.offset(partition))
            if offset is not None:
                offsets[TP(*partition)] = offset
        return offsets

    async def _commit_offsets(self, offsets: Mapping[Any, int], start_new_transaction: bool = True) -> bool:
        """Commit, one at a time, so that no commit overtakes a later one. Returns False if it was refused."""
        async with self._committing:
            assigned = self.assignment()
            mine = {
                tp: max(offset, self._committed.get(tp, offset)) for tp, offset in offsets.items() if tp in assigned
            }
            if not mine or not await self._commit_with_notes(mine):
                return False  # guarantee: refused-commit-is-tried-again
            self._committed.update(mine)
            telemetry.dependency_answered("kafka")
            return True

    async def _commit_with_notes(self, offsets: Mapping[Any, int]) -> bool:
        if self._crashes is None:
            return await self._commit(offsets)
        noted = {tp: self._crashes.note(Partition(*tp), offset) for tp, offset in offsets.items()}
        if not await self._thread.commit_noted({tp: (offsets[tp], note.metadata) for tp, note in noted.items()}):
            return False
        self._crashes.committed((note, offsets[tp]) for tp, note in noted.items())
        return True

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        """Commit without a crash note. Faust's own does not record which log the offsets belong to."""
        done: bool = await self._thread.commit_noted({tp: (offset, "") for tp, offset in offsets.items()})
        return done

    async def _commit_notes(self, partitions: Iterable[Partition]) -> bool:
        return await self._commit_offsets(self._with_offsets(partitions))

    async def _restart(self, polled: Polled) -> None:
        """Commit the beginning of partitions that were recreated, or lost their end (``polled.restarted``), at once.

        After a crash, the old commit would skip what is published until the log is as long as before.
        Raises OffsetJumpedBack if records of the old log are in flight: offsets would mean two things.
        """
        partitions = polled.restarted
        offsets = {TP(*partition): position for partition, position in partitions.items()}
        async with self._committing:
            if polled.position_epoch != self._thread.position_epoch:
                return  # a rebalance, while another commit ran: the positions are found again
            if not await self._commit(offsets):  # guarantee: log-made-again-is-committed-at-its-beginning
                return  # a rebalance: the next owner finds the same
            self._committed.update(offsets)
        for partition, position in partitions.items():
            if self._acks.has_read(partition):
                raise OffsetJumpedBack(
                    f"{partition.topic}-{partition.number} no longer reaches to what was read of it: it was "
                    f"recreated or lost its end. The next start reads it from offset {position}."
                )
