"""Slots to messages: offset order, early messages, and epochs that end."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from stream_app.kafka.acks import PartitionAcks
from stream_app.ports import Slot
from stream_app.records import Message, Partition, RawRecord
from stream_app.steps.sequence import OffsetJumpedBack

P0, P1 = Partition("reviews", 0), Partition("reviews", 1)


class FakePublisher:
    """Keeps what is published; delivers when told."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[bytes | None], Callable[[], None]]] = []

    def publish(self, messages: Iterable[Message], on_delivered: Callable[[], None]) -> None:
        self.calls.append(([message.value for message in messages], on_delivered))

    @property
    def values(self) -> list[list[bytes | None]]:
        return [values for values, _ in self.calls]

    def deliver(self, call: int) -> None:
        self.calls[call][1]()


def record(offset: int, partition: int = 0) -> RawRecord:
    return RawRecord("reviews", partition, offset, 0, b"k", b"v")


def message(value: bytes) -> Message:
    return Message("out", b"k", value)


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def acks(publisher: FakePublisher) -> PartitionAcks:
    acks = PartitionAcks(publisher)
    acks.open([P0, P1])
    return acks


def test_each_release_is_one_publication_in_offset_order(acks: PartitionAcks, publisher: FakePublisher) -> None:
    a, b, c = acks.arrive([record(1), record(2), record(4)])
    acks.finish(c, [message(b"c")])
    acks.finish(b, [message(b"b1"), message(b"b2")])
    assert publisher.values == []
    acks.finish(a, [message(b"a")])
    assert publisher.values == [[b"a", b"b1", b"b2", b"c"]]
    assert acks.next_offset(P0) is None
    publisher.deliver(0)
    assert acks.next_offset(P0) == 5


def test_slots_finished_together_are_one_publication_per_partition(
    acks: PartitionAcks, publisher: FakePublisher
) -> None:
    a, b, late, other = acks.arrive([record(1), record(2), record(4), record(9, partition=1)])
    acks.finish_all([(b, [message(b"b")]), (other, [message(b"x")]), (a, [message(b"a")])])
    assert publisher.values == [[b"a", b"b"], [b"x"]]
    publisher.deliver(0)
    assert (acks.next_offset(P0), acks.next_offset(P1)) == (3, None)
    publisher.deliver(1)
    acks.finish_all([(late, [])])
    assert (acks.next_offset(P0), acks.next_offset(P1)) == (5, 10)


def test_partitions_do_not_wait_for_each_other(acks: PartitionAcks, publisher: FakePublisher) -> None:
    _, other = acks.arrive([record(1), record(9, partition=1)])
    acks.finish(other, [message(b"x")])
    publisher.deliver(0)
    assert (acks.next_offset(P0), acks.next_offset(P1)) == (None, 10)


def test_slot_without_messages_is_committable_at_once(acks: PartitionAcks, publisher: FakePublisher) -> None:
    [slot] = acks.arrive([record(3)])
    acks.finish(slot, [])
    assert publisher.calls == []
    assert acks.next_offset(P0) == 4


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_slot_is_acknowledged_only_after_its_early_messages_too(
    acks: PartitionAcks, publisher: FakePublisher, order: tuple[int, ...]
) -> None:
    [slot] = acks.arrive([record(3)])
    acks.publish_early(slot, [message(b"alert")])
    acks.publish_early(slot, [message(b"another")])
    acks.finish(slot, [message(b"review")])
    assert publisher.values == [[b"alert"], [b"another"], [b"review"]]
    for number, call in enumerate(order):
        assert acks.next_offset(P0) is None, number
        publisher.deliver(call)
    assert acks.next_offset(P0) == 4


def test_nothing_of_an_old_epoch_is_published_or_committed(acks: PartitionAcks, publisher: FakePublisher) -> None:
    old, late = acks.arrive([record(1), record(2)])
    acks.finish(old, [message(b"delivered late")])
    acks.close([P0, P1])
    acks.open([P0])
    [again, _] = acks.arrive([record(1), record(2)])

    acks.finish(late, [message(b"zombie")])
    acks.publish_early(late, [message(b"zombie")])
    publisher.deliver(0)

    assert publisher.values == [[b"delivered late"]]
    assert acks.next_offset(P0) is None
    acks.finish(again, [])
    assert acks.next_offset(P0) == 2


def test_closed_partition_takes_no_records_and_has_no_offset(acks: PartitionAcks) -> None:
    [slot] = acks.arrive([record(1)])
    acks.finish(slot, [])
    epoch = acks.epoch
    acks.close([P0])
    assert acks.epoch > epoch
    assert acks.arrive([record(2)]) == []
    assert acks.next_offset(P0) is None
    assert acks.partitions == {P1}


def test_record_that_arrives_twice_in_an_epoch_is_a_bug(acks: PartitionAcks) -> None:
    acks.arrive([record(1)])
    with pytest.raises(OffsetJumpedBack):
        acks.arrive([record(1)])


def test_slots_carry_their_record_and_partition(acks: PartitionAcks) -> None:
    first, second = record(1), record(7, partition=1)
    slots = acks.arrive([first, second])
    assert [(slot.record, slot.partition, slot.epoch) for slot in slots] == [
        (first, P0, acks.epoch),
        (second, P1, acks.epoch),
    ]
    assert all(isinstance(slot, Slot) for slot in slots)
