"""Acknowledges what was written to Redis only once it is durable there."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stream_app import telemetry
from stream_app.ports import Acks, InFlightRecord, SummaryStore, Unavailable
from stream_app.records import Partition
from stream_app.retry import Retry
from stream_app.settings import RedisSettings

Value = TypeVar("Value")

CHECK_EVERY_SECONDS = 30.0
_POLL_SECONDS = 0.25
_MAX_UNACKNOWLEDGED_BYTES = 64 * 2**20


@dataclass(slots=True, eq=False)
class Batch(Generic[Value]):
    """The records of one poll, and what is written to Redis for them: one value per record.

    ``holds``: reasons why it may not be acknowledged yet, such as messages from it that are in flight.
    ``reached``: partition → the offset behind its last record, also where that one was left out.
    ``delivered``: alerts about products, as an outbox holds them, that the broker has of it.
    """

    in_flight_records: list[InFlightRecord]
    values: list[Value]
    size_bytes: int
    reached: dict[int, int] = field(default_factory=dict)
    written_at: float = 0.0  # time.monotonic(); 0: not yet
    server_identity: str = ""
    holds: int = 0
    delivered: list[bytes] = field(default_factory=list)

    def is_durable(self, written_before: float) -> bool:
        return 0 < self.written_at <= written_before and not self.holds  # guarantee: outbox-holds-the-commit-back

    def leave_out(self, in_flight: InFlightRecord) -> bool:
        """Remove a record that is finished elsewhere. Returns False if a rebalance removed it meanwhile."""
        for at, one in enumerate(self.in_flight_records):
            if one is in_flight:
                self.in_flight_records = [*self.in_flight_records[:at], *self.in_flight_records[at + 1 :]]
                self.values = [*self.values[:at], *self.values[at + 1 :]]
                return True
        return False


class DelayedAcknowledgement(Generic[Value]):
    """Writes batches and acknowledges them. The steps of a batch:

    1. written (``Unavailable``: retried until patience is spent)
    2. after ``redis_settle_seconds``, if nothing holds it and the server is still the same one, its records are
       finished

    If another server answers, everything unsettled is written again, before anything else is, and waits again.

    Whether the server is fit is checked again every 30 s: one that was full, and was told to evict keys, loses products
    without an error.
    """

    def __init__(
        self,
        settings: RedisSettings,
        store: SummaryStore,
        write: Callable[[Batch[Value]], Awaitable[None]],
        write_again: Callable[[Sequence[Batch[Value]]], Awaitable[None]],
        check: Callable[[], Awaitable[None]],
        *,
        fatal: Callable[[BaseException], None],
    ) -> None:
        """``write`` writes a batch and may be called again; ``write_again`` all batches, oldest first, of which another
        server may hold a part; ``check`` raises where the server must not be written. ``fatal`` gets errors of the
        background task.
        """
        self.retry = Retry("redis", settings.redis_patience_seconds)
        self._settle_seconds = settings.redis_settle_seconds
        self._store = store
        self._write = write
        self._write_again = write_again
        self._check = check
        self._fatal = fatal
        self._writing = asyncio.Lock()
        self.acknowledged: dict[int, int] = {}  # partition → the offset behind what was acknowledged of it
        self._batches: deque[Batch[Value]] = deque()
        self._bytes = 0

    def start(self, acks: Acks) -> None:
        """Finish records through ``acks`` from now on."""
        self._acks = acks
        self._acknowledging = asyncio.create_task(self._acknowledge_repeatedly(), name="settle")

    def stop(self) -> None:
        """Stop. What is not durable stays unacknowledged and is redelivered."""
        self._acknowledging.cancel()

    async def add(self, in_flight_records: list[InFlightRecord], values: list[Value]) -> None:
        """Write the records; return before they are acknowledged. Raises Unavailable when patience is spent."""
        batch = Batch(
            in_flight_records,
            values,
            sum(len(in_flight.record.value or b"") for in_flight in in_flight_records),
            _behind(in_flight_records),
        )
        self._batches.append(batch)
        self._bytes += batch.size_bytes
        await self._written(batch)

    def has_room(self) -> bool:
        return self._bytes < _MAX_UNACKNOWLEDGED_BYTES  # guarantee: reviews-that-settle

    def drop(self, partitions: frozenset[Partition]) -> None:
        """Forget the records of these partitions: their next owner writes them again, which changes nothing."""
        for batch in self._batches:
            # guarantee: partition-that-went-is-not-acknowledged
            kept = [i for i, in_flight in enumerate(batch.in_flight_records) if in_flight.partition not in partitions]
            batch.in_flight_records = [batch.in_flight_records[i] for i in kept]
            batch.values = [batch.values[i] for i in kept]
            batch.reached = _behind(batch.in_flight_records)

    async def _written(self, batch: Batch[Value]) -> None:
        async def call() -> str:
            server_identity = await self._store.server_identity()  # before the write: a restart in between is noticed
            # what this batch says of a product must not be judged without what the server forgot
            await self._forgotten_written_again(server_identity)  # guarantee: forgotten-comes-first
            await self._write(batch)
            return server_identity  # guarantee: server_identity-is-asked-before-the-apply

        async with self._writing:
            batch.server_identity = await self.retry(call)
            batch.written_at = time.monotonic()

    async def _forgotten_written_again(self, server_identity: str) -> bool:
        """Write again what another server than this one held. False: there is nothing."""
        # guarantee: server_identity-is-compared
        forgotten = [one for one in self._batches if one.written_at and one.server_identity != server_identity]
        if not forgotten:
            return False
        telemetry.store_was_replaced(sum(len(batch.in_flight_records) for batch in forgotten))
        await self._write_again(forgotten)  # guarantee: applied-again
        for batch in forgotten:
            batch.server_identity, batch.written_at = server_identity, time.monotonic()
        return True

    async def _acknowledge_repeatedly(self) -> None:
        checked_at = time.monotonic()
        try:
            while True:
                await asyncio.sleep(_POLL_SECONDS)
                if time.monotonic() - checked_at >= CHECK_EVERY_SECONDS:  # guarantee: server-is-checked-again
                    with suppress(Unavailable):  # what needs it reports that, and waits
                        await self._check()
                    checked_at = time.monotonic()
                await self._acknowledge_durable()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fatal(error)  # guarantee: failed-acknowledgement-is-fatal
            raise

    async def _acknowledge_durable(self) -> None:
        """Finish what the same server has held long enough; write everything again if the server is another one."""
        before = time.monotonic() - self._settle_seconds  # guarantee: settling
        if not self._batches or not self._batches[0].is_durable(before):
            return

        async def is_another() -> bool:
            return await self._forgotten_written_again(await self._store.server_identity())

        async with self._writing:
            if await self.retry(is_another):
                return
        while self._batches and self._batches[0].is_durable(before):
            batch = self._batches.popleft()
            self._bytes -= batch.size_bytes
            self.acknowledged |= _behind(batch.in_flight_records)
            for in_flight in batch.in_flight_records:
                self._acks.finish(in_flight, [])


def _behind(in_flight_records: Sequence[InFlightRecord]) -> dict[int, int]:
    """By partition, the offset behind the last of these records, which are in order."""
    return {one.partition.number: one.record.offset + 1 for one in in_flight_records}
