"""What the roles that write to the view have in common: decode, write, acknowledge once durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from stream_app import contract, telemetry
from stream_app.kafka.topics import Topics
from stream_app.ports import Acks, InFlightRecord, SummaryStore
from stream_app.records import Partition, RawRecord, Rejected
from stream_app.roles.delayed_acknowledgement import Batch, DelayedAcknowledgement
from stream_app.roles.record_errors import RecordErrors
from stream_app.settings import RedisSettings

Value = TypeVar("Value")
Result = TypeVar("Result")


class ViewRole(Generic[Value]):
    """ports.StreamRole, but for ``_decode`` and ``_write``, which a role implements."""

    def __init__(
        self, name: str, settings: RedisSettings, store: SummaryStore, *, fatal: Callable[[BaseException], None]
    ) -> None:
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._delayed: DelayedAcknowledgement[Value] = DelayedAcknowledgement(
            settings, store, self._write, self._write_again, self._check, fatal=fatal
        )
        self._record_errors = RecordErrors(name)

    def _decode(self, record: RawRecord) -> Value | Rejected:
        raise NotImplementedError

    async def _write(self, batch: Batch[Value]) -> None:
        """Write a batch. May be repeated."""
        raise NotImplementedError

    async def _write_again(self, batches: Sequence[Batch[Value]]) -> None:
        """Write batches, oldest first, of which the server may have forgotten a part. May be repeated."""
        for batch in batches:
            await self._write(batch)

    async def _check(self) -> None:
        """Raise where the server must not be written (any more), StoreUnavailable where it is away."""
        await self._store.check()

    async def start(self, acks: Acks) -> None:
        self._acks = acks
        await self._delayed.retry(self._store.check)  # guarantee: server-is-checked-at-the-start
        self._delayed.start(acks)

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        decoded = self._record_errors.attempt(
            in_flight_records,
            lambda some: [self._decode(in_flight.record) for in_flight in some],
            in_flight_of=lambda in_flight: in_flight,
            reject=self._reject,
        )
        readable: list[InFlightRecord] = []
        values: list[Value] = []
        for in_flight, value in decoded:
            if isinstance(value, Rejected):
                self._reject(in_flight, value)
            else:
                readable.append(in_flight)
                values.append(value)
        if readable:
            await self._delayed.add(readable, values)  # guarantee: alerts-settle-too

    def has_room(self) -> bool:
        return self._delayed.has_room()

    def fetch_wait_ms(self) -> int:
        return 0

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        self._delayed.drop(partitions)

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        return

    async def stop(self) -> None:
        self._delayed.stop()
        await self._store.close()

    async def _attempt(
        self, batch: Batch[Value], work: Callable[[list[Value]], Awaitable[Sequence[Result]]]
    ) -> list[tuple[tuple[InFlightRecord, Value], Result]]:
        """Do the work of a batch; a record that alone raises is rejected."""

        def give_up(item: tuple[InFlightRecord, Value], rejected: Rejected) -> None:
            if batch.leave_out(item[0]):
                self._reject(item[0], rejected)

        return await self._record_errors.attempt_async(
            # as they are now: a rebalance meanwhile removes some from the batch
            list(zip(batch.in_flight_records, batch.values, strict=True)),
            lambda some: work([value for _, value in some]),
            in_flight_of=lambda item: item[0],
            reject=give_up,
        )

    def _reject(self, in_flight: InFlightRecord, rejected: Rejected) -> None:
        telemetry.review_rejected(rejected.reason, *in_flight.record[:3])
        # guarantee: summarize-rejects
        self._acks.finish(in_flight, [contract.dead_letter_message(self._topics.dead_letter, rejected)])
