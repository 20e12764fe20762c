"""What the roles need from Kafka, and what the consumer needs from a role."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_app.records import Message, Partition, RawRecord


@dataclass(slots=True, eq=False)
class InFlightRecord:
    """One input record in flight, with its partition and epoch, which give its place in the order."""

    record: RawRecord
    partition: Partition
    epoch: int


class Acks(Protocol):
    """Publishes the messages of in-flight records, in offset order per partition, and tracks what may be committed.

    Records of an older epoch (the partition was revoked since) are ignored by all calls.
    """

    def publish_early(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        """Publish at once, out of order (alerts). The record is acknowledged only after these are delivered too."""
        ...

    def finish(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        """Finish a record. Its messages are published when every earlier record of the partition is finished."""
        ...

    def finish_all(self, finished: Iterable[tuple[InFlightRecord, Sequence[Message]]]) -> None:
        """As ``finish`` of each, and cheaper."""
        ...


class Publisher(Protocol):
    """Publishes with acks=all; a message that can't be delivered ends the process."""

    def publish(self, messages: Iterable[Message], on_delivered: Callable[[], None]) -> None:
        """``on_delivered`` is called on the event loop, once, after the broker acknowledged all of them."""
        ...


class AlertHistory(Protocol):
    """Reads the topic of alerts from a bounded distance back, and follows it, in a thread of its own."""

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    async def caught_up(self, patience_seconds: float) -> bool:
        """Wait until all that was published before the start is read. False: Kafka refused, or patience was spent."""
        ...

    async def reach_end(self, patience_seconds: float) -> bool:
        """Wait until all that was published before this call is read. False as above."""
        ...

    def stop(self) -> None:
        """End, and wait for it."""
        ...


class StreamRole(Protocol):
    """What a role implements for the Faust adapter. All methods run on the event loop but ``fetch_wait_ms``."""

    async def start(self, acks: Acks) -> None:
        """Load models, check the store. Called once before the first record; ready when it returns."""
        ...

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        """The records of one poll, in offset order within each partition. The next poll waits for it to return."""
        ...

    def has_room(self) -> bool:
        """May more be fetched? Asked before each poll: cheap."""
        ...

    def fetch_wait_ms(self) -> int:
        """How long the broker may hold records back until there are many, as each poll has its price; 0: not at all.

        Asked before each request on the consumer's thread: cheap, and without locks that the loop may hold.
        """
        ...

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        """The partitions are being taken away: forget what has not started; it is redelivered elsewhere."""
        ...

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        """Return when started work of these partitions is finished (``Acks.finish`` called). Bounded by the caller."""
        ...

    async def stop(self) -> None:
        """The process ends; release threads and connections."""
        ...
