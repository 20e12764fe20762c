"""Publishes what slots lead to in offset order, and knows per partition which offset may be committed, and what all
that is not published yet takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stream_app.ports import Publisher, Slot
from stream_app.records import Message, Partition, RawRecord, size_of
from stream_app.steps.sequence import Sequencer

_OBJECTS_BYTES = 1024
"""What a record takes in memory beside its bytes, about: a slot, its place in the sequence, what it was decoded to."""


class _Line:
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


class PartitionAcks:
    """ports.Acks. Use it from one event loop.

    Epoch and sequence belong to the partition: what comes from an older epoch is neither published nor committed.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._lines: dict[Partition, _Line] = {}
        self.epoch = 0
        """Raised whenever partitions are opened or closed."""

    @property
    def partitions(self) -> frozenset[Partition]:
        """The open ones: assigned to this process, their records accepted."""
        return frozenset(self._lines)

    @property
    def unreleased_bytes(self) -> int:
        """Of all records that arrived and whose messages are not handed to the publisher yet, and of those messages,
        about, whatever they wait for.
        """
        return sum(line.unreleased_bytes for line in self._lines.values())

    def open(self, partitions: Iterable[Partition]) -> None:
        """These are ours from now on, beginning a new epoch; records may arrive."""
        self.epoch += 1
        for partition in partitions:
            self._lines[partition] = _Line(partition, self.epoch)

    def close(self, partitions: Iterable[Partition]) -> None:
        """These are no longer ours: nothing of them is published or committed any more."""
        self.epoch += 1
        for partition in partitions:
            self._lines.pop(partition, None)  # guarantee: closed-partitions-are-closed

    def arrive(self, records: Sequence[RawRecord]) -> list[Slot]:
        """A slot per record of open partitions; records of others are left out.

        Raises OffsetJumpedBack when a record arrives twice in an epoch.
        """
        slots: list[Slot] = []
        line: _Line | None = None
        at: tuple[str, int] | None = None
        for record in records:
            if at != (record.topic, record.partition):
                at = (record.topic, record.partition)
                line = self._lines.get(Partition(*at))
            if line is not None:
                offset = record.offset
                line.sequencer.arrive(offset)
                if record.headers:
                    size = size_of(record) + _OBJECTS_BYTES
                else:  # nearly all; size_of would take as long as all the rest
                    size = len(record.value or b"") + len(record.key or b"") + _OBJECTS_BYTES
                line.sizes[offset] = size
                line.unreleased_bytes += size
                slots.append(Slot(record, line.partition, line.epoch))
        return slots

    def reached(self, positions: Mapping[Partition, int]) -> None:
        """The consumer's positions. Call it after ``arrive`` with the records of the same poll: everything before a
        position is then either among what arrived, or no record (transaction markers, aborted records, gaps).
        """
        for partition, position in positions.items():  # guarantee: caught-up-by-position
            line = self._lines.get(partition)
            if line is not None:
                line.position = position

    def has_read(self, partition: Partition) -> bool:
        """Did records of it arrive in this epoch?"""
        line = self._lines.get(partition)
        return line is not None and line.sequencer.has_read

    def publish_early(self, slot: Slot, messages: Sequence[Message]) -> None:
        """Publish at once, out of order. The slot is acknowledged only after these are delivered too."""
        line = self._line_of(slot)
        if line is None or not messages:
            return
        offset = slot.record.offset
        line.early[offset] = line.early.get(offset, 0) + 1
        self._publisher.publish(messages, lambda: self._early_delivered(line, offset))

    def finish(self, slot: Slot, messages: Sequence[Message]) -> None:
        """The slot is done. Its messages are published when every earlier slot of the partition is done.

        Raises ValueError when it was finished before.
        """
        self.finish_all([(slot, messages)])

    def finish_all(self, finished: Iterable[tuple[Slot, Sequence[Message]]]) -> None:
        """As ``finish`` of each, but one publication per partition, which is far cheaper than one per slot."""
        released: dict[_Line, list[tuple[int, Sequence[Message]]]] = {}
        for slot, messages in finished:
            line = self._line_of(slot)
            if line is None:
                continue
            offset = slot.record.offset
            in_order = line.sequencer.finish(offset, messages)
            released.setdefault(line, []).extend(in_order)
            if not in_order:  # they wait for an earlier record; their key and headers are about their own record's
                waiting = 0
                for message in messages:
                    waiting += len(message.value or b"")
                line.sizes[offset] += waiting
                line.unreleased_bytes += waiting  # guarantee: messages-that-wait-count
        for line, in_order in released.items():
            self._publish(line, in_order)

    def _publish(self, line: _Line, released: Sequence[tuple[int, Sequence[Message]]]) -> None:
        offsets = [offset for offset, _ in released]
        line.unreleased_bytes -= sum(map(line.sizes.pop, offsets))  # guarantee: released-bytes-open-the-gate
        outgoing = [message for _, messages in released for message in messages]
        if outgoing:
            # guarantee: delivery-is-the-brokers-word
            self._publisher.publish(outgoing, lambda: self._delivered(line, offsets))
        else:
            self._delivered(line, offsets)

    def next_offset(self, partition: Partition) -> int | None:
        """What may be committed: everything before it is delivered. None: nothing of this epoch yet, or not ours.

        Where nothing that arrived is left, this is the consumer's position. The last record's offset would leave what
        follows it and is no record uncommitted, and so a consumer lag for ever.
        """
        line = self._lines.get(partition)
        if line is None:
            return None
        # guarantee: position-waits-for-its-records
        if len(line.sequencer) == 0 and line.position > (line.sequencer.next_offset or 0):
            return line.position
        return line.sequencer.next_offset  # guarantee: commit-follows-delivery

    def _line_of(self, slot: Slot) -> _Line | None:
        line = self._lines.get(slot.partition)
        return line if line is not None and line.epoch == slot.epoch else None  # guarantee: epochs-are-compared

    def _delivered(self, line: _Line, offsets: Sequence[int]) -> None:
        for offset in offsets:
            if offset in line.early:  # guarantee: alert-holds-the-commit-back
                line.held_back.add(offset)
            else:
                line.sequencer.delivered(offset)

    def _early_delivered(self, line: _Line, offset: int) -> None:
        line.early[offset] -= 1
        if line.early[offset]:  # guarantee: every-alert-holds-the-commit-back
            return
        del line.early[offset]
        if offset in line.held_back:
            line.held_back.remove(offset)
            line.sequencer.delivered(offset)
