"""Publishes the messages of in-flight records in offset order, and tracks which offsets may be committed.

It also counts the bytes of everything that is not published yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stream_app.ports import InFlightRecord, Publisher
from stream_app.records import Message, Partition, RawRecord, size_of
from stream_app.steps.sequence import Sequencer

_OBJECTS_BYTES = 1024
"""Approximate memory of a record beyond its bytes: in-flight record, place in the sequence, decoded form."""


class _PartitionState:
    """One partition within one epoch."""

    __slots__ = ("early", "epoch", "held_back", "partition", "position", "sequencer", "sizes", "unreleased_bytes")

    def __init__(self, partition: Partition, epoch: int) -> None:
        self.partition = partition
        self.epoch = epoch
        self.sequencer: Sequencer[Sequence[Message]] = Sequencer()
        self.early: dict[int, int] = {}  # offset -> early publications not yet acknowledged
        self.held_back: set[int] = set()  # delivered but for those
        self.sizes: dict[int, int] = {}  # offset -> bytes of the record, and of the messages it led to
        self.unreleased_bytes = 0  # sum of sizes
        self.position = 0  # every record before it has arrived


class OrderedPublisher:
    """ports.Acks. Use it from one event loop.

    Epoch and sequence belong to the partition: what comes from an older epoch is neither published nor committed.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._states: dict[Partition, _PartitionState] = {}
        self.epoch = 0
        """Raised whenever partitions are opened or closed."""

    @property
    def partitions(self) -> frozenset[Partition]:
        """The open ones: assigned to this process, their records accepted."""
        return frozenset(self._states)

    @property
    def unreleased_bytes(self) -> int:
        """Of all records that arrived and whose messages are not handed to the publisher yet, and of those messages,
        about, whatever they wait for.
        """
        return sum(state.unreleased_bytes for state in self._states.values())

    def open(self, partitions: Iterable[Partition]) -> None:
        """Open assigned partitions in a new epoch; records may arrive."""
        self.epoch += 1
        for partition in partitions:
            self._states[partition] = _PartitionState(partition, self.epoch)

    def close(self, partitions: Iterable[Partition]) -> None:
        """Close revoked partitions: nothing of them is published or committed any more."""
        self.epoch += 1
        for partition in partitions:
            self._states.pop(partition, None)  # guarantee: closed-partitions-are-closed

    def arrive(self, records: Sequence[RawRecord]) -> list[InFlightRecord]:
        """Return an in-flight record per record of open partitions; others are omitted.

        Raises OffsetJumpedBack when a record arrives twice in an epoch.
        """
        in_flight_records: list[InFlightRecord] = []
        state: _PartitionState | None = None
        at: tuple[str, int] | None = None
        for record in records:
            if at != (record.topic, record.partition):
                at = (record.topic, record.partition)
                state = self._states.get(Partition(*at))
            if state is not None:
                offset = record.offset
                state.sequencer.arrive(offset)
                if record.headers:
                    size = size_of(record) + _OBJECTS_BYTES
                else:  # nearly all; size_of would take as long as all the rest
                    size = len(record.value or b"") + len(record.key or b"") + _OBJECTS_BYTES
                state.sizes[offset] = size
                state.unreleased_bytes += size
                in_flight_records.append(InFlightRecord(record, state.partition, state.epoch))
        return in_flight_records

    def reached(self, positions: Mapping[Partition, int]) -> None:
        """The consumer's positions. Call it after ``arrive`` with the records of the same poll: everything before a
        position is then either among what arrived, or no record (transaction markers, aborted records, gaps).
        """
        for partition, position in positions.items():  # guarantee: caught-up-by-position
            state = self._states.get(partition)
            if state is not None:
                state.position = position

    def has_read(self, partition: Partition) -> bool:
        """Did records of it arrive in this epoch?"""
        state = self._states.get(partition)
        return state is not None and state.sequencer.has_read

    def publish_early(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        """Publish at once, out of order. The record is acknowledged only after these are delivered too."""
        state = self._state_of(in_flight)
        if state is None or not messages:
            return
        offset = in_flight.record.offset
        state.early[offset] = state.early.get(offset, 0) + 1
        self._publisher.publish(messages, lambda: self._early_delivered(state, offset))

    def finish(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        """Finish a record. Its messages are published when every earlier record of the partition is finished.

        Raises ValueError when it was finished before.
        """
        self.finish_all([(in_flight, messages)])

    def finish_all(self, finished: Iterable[tuple[InFlightRecord, Sequence[Message]]]) -> None:
        """Finish each, with one publication per partition, which is far cheaper than one per record."""
        released: dict[_PartitionState, list[tuple[int, Sequence[Message]]]] = {}
        for in_flight, messages in finished:
            state = self._state_of(in_flight)
            if state is None:
                continue
            offset = in_flight.record.offset
            in_order = state.sequencer.finish(offset, messages)
            released.setdefault(state, []).extend(in_order)
            if not in_order:  # they wait for an earlier record; their key and headers are about their own record's
                waiting = 0
                for message in messages:
                    waiting += len(message.value or b"")
                state.sizes[offset] += waiting
                state.unreleased_bytes += waiting  # guarantee: messages-that-wait-count
        for state, in_order in released.items():
            self._publish(state, in_order)

    def _publish(self, state: _PartitionState, released: Sequence[tuple[int, Sequence[Message]]]) -> None:
        offsets = [offset for offset, _ in released]
        state.unreleased_bytes -= sum(map(state.sizes.pop, offsets))  # guarantee: released-bytes-open-the-gate
        outgoing = [message for _, messages in released for message in messages]
        if outgoing:
            # guarantee: delivery-is-the-brokers-word
            self._publisher.publish(outgoing, lambda: self._delivered(state, offsets))
        else:
            self._delivered(state, offsets)

    def next_offset(self, partition: Partition) -> int | None:
        """What may be committed: everything before it is delivered. None: nothing of this epoch yet, or not ours.

        Where nothing that arrived is left, this is the consumer's position. The last record's offset would leave what
        follows it and is no record uncommitted, and so a permanent consumer lag.
        """
        state = self._states.get(partition)
        if state is None:
            return None
        # guarantee: position-waits-for-its-records
        if len(state.sequencer) == 0 and state.position > (state.sequencer.next_offset or 0):
            return state.position
        return state.sequencer.next_offset  # guarantee: commit-follows-delivery

    def _state_of(self, in_flight: InFlightRecord) -> _PartitionState | None:
        state = self._states.get(in_flight.partition)
        return state if state is not None and state.epoch == in_flight.epoch else None  # guarantee: epochs-are-compared

    def _delivered(self, state: _PartitionState, offsets: Sequence[int]) -> None:
        for offset in offsets:
            if offset in state.early:  # guarantee: alert-holds-the-commit-back
                state.held_back.add(offset)
            else:
                state.sequencer.delivered(offset)

    def _early_delivered(self, state: _PartitionState, offset: int) -> None:
        state.early[offset] -= 1
        if state.early[offset]:  # guarantee: every-alert-holds-the-commit-back
            return
        del state.early[offset]
        if offset in state.held_back:
            state.held_back.remove(offset)
            state.sequencer.delivered(offset)
