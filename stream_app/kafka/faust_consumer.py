"""Faust's consumer, with whole polls in place of single messages (its thread for aiokafka: ``consumer_thread``).

Faust keeps the group, the assignment, the commits and the agents. Its path per message, two tasks and a wait each, is
replaced: one event is one poll's batch of raw records. The order when partitions are revoked, or the process stops:

    1. drop what waits: it is redelivered
    2. finish and publish what was started, for at most ``drain_seconds``
    3. commit what is delivered, with a note that nothing is on a device any more (``crash_memory``)
    4. raise the epoch: nothing of the old one is published or committed from here on
    5. let Faust continue

All partitions are revoked at each rebalance (the eager protocol), so steps 1-4 always concern all of them. Positions
are set again from the committed offsets after each assignment (``perform_seek``): only from then on records count.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from aiokafka.errors import ConsumerStoppedError

from stream_app import telemetry
from stream_app.kafka.clock_check import ClockCheck
from stream_app.kafka.consumer_lag import ConsumerLag
from stream_app.kafka.consumer_thread import Polled
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.kafka.fatal import fatal
from stream_app.kafka.faust_commits import CommittingConsumer
from stream_app.ports import InFlightRecord
from stream_app.records import Partition
from stream_app.settings import COMMIT_SECONDS

_GATE_PAUSE_SECONDS = 0.01
_LONGEST_GATE_PAUSE_SECONDS = 0.08
_SPARE_PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class Batch:
    """The in-flight records of one poll on their way to the agent."""

    epoch: int
    in_flight_records: list[InFlightRecord]


class Consumer(CommittingConsumer):
    """Hands whole polls to the role, fetches only while there is room, and drains when partitions are revoked."""

    _lag: ConsumerLag | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.app
        self._settings = app.settings
        self._role = app.role
        self._publisher = app.publisher
        self._clock_check = ClockCheck(app.role_name)
        self._lag = ConsumerLag(app.role_name, self._acks.next_offset)
        self._hands_free = asyncio.Event()  # the agent has nothing of ours
        self._hands_free.set()
        self._draining = asyncio.Lock()
        self._touched_at = 0.0
        self._gate_pause = _GATE_PAUSE_SECONDS

    # ---- records in

    async def _drain_messages(self, fetcher: Any) -> None:
        """Take a whole poll at once. Faust's own loop also counts what a pause dropped as read, and loses it."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                polled, _ = await self._wait_next_records(timeout=1.0)
                if polled.restarted:
                    await self._restart(polled)
                if (polled or polled.positions) and self._is_current(polled):
                    await self._hand_over(polled)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _wait_next_records(self, timeout: float) -> tuple[Polled, set[Any]]:
        """Fetch nothing while there is no room, or nothing is assigned, but stay in the group (the gate)."""
        await self._until_flowing()
        active: set[Any] = self._get_active_partitions()
        nothing = Polled(-1)
        if not active or not self._has_room():  # guarantee: gate
            await self._touch()  # guarantee: gate-stays-in-the-group
            if active and self._hands_free.is_set():
                await asyncio.sleep(self._gate_pause)
                self._gate_pause = min(2 * self._gate_pause, _LONGEST_GATE_PAUSE_SECONDS)
            else:
                await self._pause(_SPARE_PAUSE_SECONDS)
            return nothing, active
        self._gate_pause = _GATE_PAUSE_SECONDS
        polled: Polled = await self._getmany(frozenset(active), timeout)
        await self._until_flowing()
        return (polled if self._is_current(polled) else nothing), active

    def _is_current(self, polled: Polled) -> bool:
        """Were positions not set again since? If they were, these records come again."""
        same: bool = polled.position_epoch == self._thread.position_epoch
        return same  # guarantee: positions-and-records-belong-together

    def _has_room(self) -> bool:
        """May more be fetched? Each condition becomes true again by itself, without a record being fetched."""
        return (
            self._hands_free.is_set()
            and self._publisher.has_room()
            # guarantee: unreleased-bytes-close-the-gate
            and self._acks.unreleased_bytes < self._settings.unreleased_bytes
            and self._role.has_room()
        )

    async def _until_flowing(self) -> None:
        while not self.flow_active and not self._stopped.is_set():
            await self._touch()  # guarantee: long-rebalance-stays-in-the-group
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.can_resume_flow.wait()

    async def _pause(self, seconds: float) -> None:
        if self._hands_free.is_set():
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._hands_free.wait()

    async def _touch(self) -> None:
        now = time.monotonic()
        if now - self._touched_at >= min(1.0, self._settings.max_poll_interval_seconds / 4):
            self._touched_at = now
            if self._lag is not None:
                self._lag.report(self.app.now_ms(), now)
            await self._thread.touch()

    async def _hand_over(self, polled: Polled) -> None:
        self._clock_check.look(polled, self.app.now_ms(), time.monotonic())  # guarantee: clock-is-compared
        # no await between these: a position counts only when all records before it have arrived
        in_flight_records = self._acks.arrive(
            list(chain.from_iterable(polled.values()))
        )  # guarantee: position-after-its-records
        self._acks.reached(polled.positions)  # guarantee: position-after-its-records
        if self._lag is not None:
            self._lag.look(polled, self.app.now_ms(), time.monotonic())
        if in_flight_records:
            telemetry.records_received(self.app.role_name, len(in_flight_records))
            self._hands_free.clear()
            batch = Batch(self._acks.epoch, in_flight_records)
            if self._crashes is not None and not await self._noted_ahead(self._crashes, polled):
                self._hands_free.set()  # the partitions are being revoked: these records come again
                return
            await self.app.batches.put(batch)

    async def _noted_ahead(self, crashes: CrashMemory, polled: Polled) -> bool:
        """Does a committed crash note cover these records? Most polls are covered by an earlier one."""
        behind = []
        for tp, records in polled.items():
            partition = Partition(*tp)
            if not crashes.arrive(partition, records[0].offset, records[-1].offset):
                behind.append(partition)
        return not behind or await self._commit_offsets(self._with_offsets(behind))

    async def take(self, batch: Batch) -> None:
        """Give the role a batch, in the agent's task, unless its partitions are being revoked."""
        try:
            if self.flow_active and batch.epoch == self._acks.epoch:  # guarantee: batch-of-an-old-epoch
                await self._role.take(batch.in_flight_records)
        finally:
            self._hands_free.set()

    # ---- partitions come and go

    def resume_flow(self) -> None:
        super().resume_flow()
        self.app.on_flowing(len(self._acks.partitions))

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        self.stop_flow()  # until perform_seek
        try:
            if not self.app.should_stop:  # guarantee: sigterm-during-an-assignment
                await super().on_partitions_assigned(assigned, generation_id)
        except Exception as error:  # noqa: BLE001 - aiokafka would log it, and a member that reads nothing would stay
            fatal(error)  # guarantee: error-of-an-assignment-ends-the-process

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        try:
            await self.finish_and_commit()  # guarantee: drain-when-partitions-go
        except Exception as error:  # noqa: BLE001 - aiokafka would log it, and continue as if all were finished
            fatal(error)
        # Faust, when it is stopping, would close the consumer from the wrong thread: no LeaveGroup, partitions orphaned
        if not self.app.should_stop:  # guarantee: sigterm-during-a-revocation
            await super().on_partitions_revoked(revoked)

    async def finish_and_commit(self) -> None:
        """Drain everything that is assigned: steps 1 to 4 above. Does nothing where nothing is assigned."""
        async with self._draining:
            partitions = self._acks.partitions
            if not partitions:
                return
            self.stop_flow()
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._settings.drain_seconds):  # guarantee: drain-is-bounded
                    self._role.drop_waiting(partitions)  # guarantee: drain-drops-what-waits
                    await self._hands_free.wait()
                    self._role.drop_waiting(partitions)
                    await self._role.finish_started(partitions)  # guarantee: drain-finishes-what-is-started
                    if self._crashes is not None:  # whether or not the broker takes the outcome
                        self._crashes.drained()  # guarantee: clean-end-leaves-no-candidates
                    await self._publisher.flush(self._settings.drain_seconds)  # guarantee: drain-waits-for-the-broker
            except TimeoutError:
                telemetry.drain_was_cut_short(self.app.role_name, time.monotonic() - began)
            try:
                async with asyncio.timeout(COMMIT_SECONDS):
                    # commit() does nothing while another commit runs, and that one does not know the latest offsets.
                    # maybe_wait_for_commit_to_finish() would swallow this timeout, and then wait without limit
                    if self._commit_fut is not None:
                        await asyncio.wait([self._commit_fut])
                    await self.force_commit()  # guarantee: last-commit-when-stopping
            except TimeoutError:
                telemetry.dependency_unavailable("kafka", "the last commit got no answer; records come again", 0.0)
            self._acks.close(partitions)  # guarantee: revocation-ends-the-epoch
            if self._lag is not None:
                self._lag.forget()
            if self._crashes is not None:
                self._crashes.revoked()
            self._hands_free.set()  # Faust clears the channel: what it holds never reaches the agent

    async def on_stop(self) -> None:
        """Do nothing: ``finish_and_commit`` has done it. Faust would wait without limit for a commit under way."""
