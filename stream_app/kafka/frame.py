"""Faust as the frame of a role: what is overridden, and why (its thread for aiokafka: ``consumer_thread``).

Faust keeps the group, the assignment, the commits and the agents. Its way of a message, two tasks and a wait each, is
replaced: one event is one poll's batch of raw records. The order when partitions are taken away, or the process stops:

    1. drop what waits: it is redelivered
    2. finish and publish what was started, for at most ``drain_seconds``
    3. commit what is delivered, with a note that nothing is on a device any more (``crash_memory``)
    4. raise the epoch: nothing of the old one is published or committed from here on
    5. let Faust go on

All partitions are revoked at each rebalance (the eager protocol), so steps 1-4 always concern all of them. Positions
are set anew from the committed offsets after each assignment (``perform_seek``): only from then on records count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import faust
from aiokafka.errors import ConsumerStoppedError
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from stream_app import telemetry
from stream_app.kafka.client_config import faust_brokers
from stream_app.kafka.clock_check import ClockCheck
from stream_app.kafka.consumer_lag import ConsumerLag
from stream_app.kafka.consumer_thread import ConsumerThread, Polled
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.kafka.fatal import fatal
from stream_app.kafka.ordered_publisher import OrderedPublisher
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.security import faust_credentials
from stream_app.ports import BrokerUnavailable, InFlightRecord, StreamRole
from stream_app.records import Partition
from stream_app.settings import Settings
from stream_app.steps.log_identity import LogIdentity
from stream_app.steps.sequence import OffsetJumpedBack

FAUST_VERSION = "0.15.3"
"""What these overrides were written against; a test fails when another one is installed."""

_COMMIT_SECONDS = 3.0
_SEEK_SECONDS = 60.0
_GATE_PAUSE_SECONDS = 0.01
_LONGEST_GATE_PAUSE_SECONDS = 0.08
_SPARE_PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class Batch:
    """The slots of one poll on their way to the agent."""

    epoch: int
    in_flight_records: list[InFlightRecord]


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Hands whole polls to the role, and commits what the sequencers say and nothing else."""

    _crashes: CrashMemory | None = None
    _lag: ConsumerLag | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app: RoleApp = self.app
        self._settings = app.settings
        self._role = app.role
        self._acks = app.acks
        self._publisher = app.publisher
        self._crashes = app.crashes
        if self._crashes is not None:
            self._crashes.commits_by(self._commit_notes)
        self._clock_check = ClockCheck(app.role_name)
        self._lag = ConsumerLag(app.role_name, self._acks.next_offset)
        self._committed: dict[Any, int] = {}
        self._committing = asyncio.Lock()
        self._hands_free = asyncio.Event()  # the agent has nothing of ours
        self._hands_free.set()
        self._draining = asyncio.Lock()
        self._touched_at = 0.0
        self._gate_pause = _GATE_PAUSE_SECONDS

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # ---- records in

    async def _drain_messages(self, fetcher: Any) -> None:
        """A whole poll at once. Faust's own loop also counts what a pause dropped as read, and loses it."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                polled, _ = await self._wait_next_records(timeout=1.0)
                if polled.restarted:
                    await self._restart(polled.restarted)
                if polled or polled.positions:
                    await self._hand_over(polled)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _wait_next_records(self, timeout: float) -> tuple[Polled, set[Any]]:
        """The gate: fetch nothing while there is no room, or nothing is assigned, but stay in the group."""
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
        if polled.position_epoch != self._thread.position_epoch:  # guarantee: positions-and-records-belong-together
            return nothing, active  # positions were set anew since: these records come again
        return polled, active

    def _has_room(self) -> bool:
        """Each of these becomes true again by itself: no record waits for another one to be fetched."""
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
                self._lag.tell(self.app.now_ms(), now)
            await self._thread.touch()

    async def _restart(self, partitions: Mapping[Partition, int]) -> None:
        """These partitions were made again, or lost their end: read from the beginning, and committed there at once.
        The old commit would skip what is published until the log is as long as before, should the process die.

        Raises OffsetJumpedBack where records of the old log are at work: offsets would mean two things.
        """
        offsets = {TP(*partition): position for partition, position in partitions.items()}
        async with self._committing:
            if not await self._commit(offsets):  # guarantee: log-made-again-is-committed-at-its-beginning
                return  # a rebalance: the next owner finds the same
            self._committed.update(offsets)
        for partition, position in partitions.items():
            if self._acks.has_read(partition):
                raise OffsetJumpedBack(
                    f"{partition.topic}-{partition.number} no longer reaches to what was read of it: it was made again "
                    f"or lost its end. The next start reads it from offset {position}."
                )

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
                self._hands_free.set()  # the partitions are being taken away: these records come again
                return
            await self.app.batches.put(batch)

    async def _noted_ahead(self, crashes: CrashMemory, polled: Polled) -> bool:
        """Does a committed note cover these records? Most polls are covered by an earlier one."""
        behind = []
        for tp, records in polled.items():
            partition = Partition(*tp)
            if not crashes.arrive(partition, records[0].offset, records[-1].offset):
                behind.append(partition)
        return not behind or await self._commit_offsets(self._with_offsets(behind))

    async def take(self, batch: Batch) -> None:
        """The agent's work: give the role a batch, unless its partitions are being taken away."""
        try:
            if self.flow_active and batch.epoch == self._acks.epoch:  # guarantee: batch-of-an-old-epoch
                await self._role.take(batch.in_flight_records)
        finally:
            self._hands_free.set()

    async def on_stop(self) -> None:
        """Nothing: ``finish_and_commit`` has done it. Faust would wait without limit for a commit under way."""

    # ---- offsets out

    def _filter_committable_offsets(self, tps: Iterable[Any]) -> dict[Any, int]:
        """The sequencers' offsets. Faust's own acknowledge in a ``finally`` and jump over what is unfinished."""
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
        """What may be committed of these now, so that their notes can be."""
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
        """Faust's own takes a refused commit for a done one. One at a time: a later one must not be overtaken."""
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
        """Without a note. Faust's own leaves out what log the offsets are of."""
        done: bool = await self._thread.commit_noted({tp: (offset, "") for tp, offset in offsets.items()})
        return done

    async def _commit_notes(self, partitions: Iterable[Partition]) -> bool:
        return await self._commit_offsets(self._with_offsets(partitions))

    # ---- partitions come and go

    async def perform_seek(self) -> None:
        """Positions from the committed offsets, and a new epoch: records count from here on."""
        try:
            async with asyncio.timeout(_SEEK_SECONDS):
                offsets = await self._thread.seek_to_committed()
                await self._read_notes(offsets)
        except TimeoutError:
            fatal(BrokerUnavailable(f"Kafka told no committed offsets in {_SEEK_SECONDS:.0f} s; check the brokers."))
        self._committed = {TP(*tp): offset for tp, offset in offsets.items() if offset is not None}
        self._acks.open(Partition(*tp) for tp in offsets)

    async def _read_notes(self, offsets: Mapping[Any, int | None]) -> None:
        if self._crashes is None:
            return
        self._crashes.revoked()
        metadata = self._thread.committed_metadata
        ends = await self._thread.end_offsets([tp for tp in offsets if metadata.get(tp)])
        for tp, offset in offsets.items():
            self._crashes.assigned(Partition(*tp), offset, metadata.get(tp, ""), ends.get(tp, 0))

    def resume_flow(self) -> None:
        super().resume_flow()
        self.app.on_flowing(len(self._acks.partitions))

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        self.stop_flow()  # until perform_seek
        if not self.app.should_stop:  # guarantee: sigterm-during-an-assignment
            await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        try:
            await self.finish_and_commit()  # guarantee: drain-when-partitions-go
        except Exception as error:  # noqa: BLE001 - aiokafka would log it, and carry on as if all were finished
            fatal(error)
        # Faust, when it is stopping, would close the consumer from the wrong thread: no LeaveGroup, partitions orphaned
        if not self.app.should_stop:  # guarantee: sigterm-during-a-revocation
            await super().on_partitions_revoked(revoked)

    async def finish_and_commit(self) -> None:
        """Steps 1 to 4 above, for everything that is assigned. Does nothing where nothing is."""
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
                    await self._publisher.flush(self._settings.drain_seconds)  # guarantee: drain-waits-for-the-broker
                if self._crashes is not None:
                    self._crashes.drained()  # guarantee: clean-end-leaves-no-candidates
            except TimeoutError:
                telemetry.drain_was_cut_short(self.app.role_name, time.monotonic() - began)
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    # commit() does nothing while another commit runs, and that one does not know the latest offsets.
                    # maybe_wait_for_commit_to_finish() would swallow this timeout, and then wait for ever
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


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's transport with our consumer."""

    Consumer = Consumer


class _Boot(BootStrategy):  # type: ignore[misc]
    """Neither Faust's producer, whose failed sends are only logged, nor its web server."""

    enable_kafka_producer = False
    enable_kafka_consumer = True
    enable_web = False


class RoleApp(faust.App):  # type: ignore[misc]
    """One role, one topic, one consumer group."""

    BootStrategy = _Boot

    def __init__(
        self,
        settings: Settings,
        role_name: str,
        log_identity: LogIdentity,
        role: StreamRole,
        acks: OrderedPublisher,
        publisher: ConfluentPublisher,
        loop: asyncio.AbstractEventLoop,
        now_ms: Callable[[], int],
        crashes: CrashMemory | None = None,
    ) -> None:
        """``log_identity``: the topic, as it is now. ``crashes``: of a role whose records may kill the process."""
        self.settings = settings
        self.log_identity = log_identity
        self.crashes = crashes
        self.now_ms = now_ms
        self.role_name = role_name
        self.role = role
        self.acks = acks
        self.publisher = publisher
        self._ready = False
        super().__init__(settings.group(role_name), loop=loop, **_options(settings))
        self.topics.add(self.topic(log_identity.topic))
        self.batches = self.channel(maxsize=1)

        async def take_batches(stream: AsyncIterator[Batch]) -> None:
            async for batch in stream:
                await self.consumer.take(batch)

        self.agent(self.batches, name=f"{role_name}.batches", supervisor_strategy=CrashingSupervisor)(take_batches)

    def on_flowing(self, partitions: int) -> None:
        """Records flow (again)."""
        telemetry.partitions_assigned(self.role_name, partitions)
        if not self._ready:
            self._ready = True
            telemetry.role_became_ready(self.role_name, group=self.conf.id, partitions=partitions)

    async def on_stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.finish_and_commit()
        await super().on_stop()
        await self.role.stop()
        await self.publisher.close(0.0)  # the drain has flushed; what is acknowledged from here on comes again anyway

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        fatal(exc)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """No tables, so no folders."""


class RoleWorker(faust.Worker):  # type: ignore[misc]
    """The process around a RoleApp: its signals and its end."""

    def __init__(self, app: RoleApp, loop: asyncio.AbstractEventLoop, on_signal: Callable[[], None]) -> None:
        # daemon: else Faust ends at once with exit code 0. Logging and stdout are ours: telemetry configures them
        super().__init__(app, loop=loop, daemon=True, quiet=True, redirect_stdouts=False, override_logging=False)
        self.spinner = None
        self._tell_signal = on_signal

    def _flag_as_shutdown_by_signal(self) -> None:
        self._tell_signal()
        super()._flag_as_shutdown_by_signal()

    def _setproctitle(self, info: str, *, ident: str = "") -> None:
        """`ps` goes on showing the command line."""

    def _crash(self, reason: BaseException) -> None:
        """Every crash of a service comes by here, whatever its thread; an orderly stop could hang or commit."""
        if not (self.should_stop and isinstance(reason, asyncio.CancelledError)):
            fatal(reason)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "broker": faust_brokers(settings),
        "broker_credentials": faust_credentials(settings),
        "broker_client_id": settings.app_name,
        "broker_session_timeout": settings.session_timeout_seconds,
        "broker_heartbeat_interval": settings.heartbeat_seconds,
        "broker_rebalance_timeout": settings.rebalance_timeout_seconds,
        "broker_max_poll_interval": settings.max_poll_interval_seconds,
        "broker_max_poll_records": settings.max_poll_records,
        "broker_commit_interval": settings.commit_interval_seconds,
        "consumer_auto_offset_reset": "earliest",
        # a restarted process gets its partitions at once instead of after the session timeout
        "consumer_group_instance_id": None,
        # 0 selects the clients' standard round robin instead of Faust's own assignor, which is there for tables. All
        # members of a group must agree on one protocol: changing this needs a stop of the whole role, not a rolling one
        "table_standby_replicas": 0,
        # Faust would wait without limit for open work, having dropped its acknowledgements
        "stream_wait_empty": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
    }
