"""In-flight records to messages: offset order, early messages, and epochs that end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.kafka.ordered_publisher import OrderedPublisher
from stream_app.ports import InFlightRecord
from stream_app.records import Message, Partition, RawRecord
from stream_app.steps.sequence import OffsetJumpedBack
from stream_app.testing.kafka import FakePublisher

P0, P1 = Partition("reviews", 0), Partition("reviews", 1)


def record(offset: int, partition: int = 0) -> RawRecord:
    return RawRecord("reviews", partition, offset, 0, b"k", b"v")


def message(value: bytes) -> Message:
    return Message("out", b"k", value)


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def acks(publisher: FakePublisher) -> OrderedPublisher:
    acks = OrderedPublisher(publisher)
    acks.open([P0, P1])
    return acks


def test_each_release_is_one_publication_in_offset_order(acks: OrderedPublisher, publisher: FakePublisher) -> None:
    a, b, c = acks.arrive([record(1), record(2), record(4)])
    acks.finish(c, [message(b"c")])
    acks.finish(b, [message(b"b1"), message(b"b2")])
    assert publisher.values == []
    acks.finish(a, [message(b"a")])
    assert publisher.values == [[b"a", b"b1", b"b2", b"c"]]
    assert acks.next_offset(P0) is None
    publisher.deliver(0)
    assert acks.next_offset(P0) == 5


def test_records_finished_together_are_one_publication_per_partition(
    acks: OrderedPublisher, publisher: FakePublisher
) -> None:
    a, b, late, other = acks.arrive([record(1), record(2), record(4), record(9, partition=1)])
    acks.finish_all([(b, [message(b"b")]), (other, [message(b"x")]), (a, [message(b"a")])])
    assert publisher.values == [[b"a", b"b"], [b"x"]]
    publisher.deliver(0)
    assert (acks.next_offset(P0), acks.next_offset(P1)) == (3, None)
    publisher.deliver(1)
    acks.finish_all([(late, [])])
    assert (acks.next_offset(P0), acks.next_offset(P1)) == (5, 10)


def test_partitions_do_not_wait_for_each_other(acks: OrderedPublisher, publisher: FakePublisher) -> None:
    _, other = acks.arrive([record(1), record(9, partition=1)])
    acks.finish(other, [message(b"x")])
    publisher.deliver(0)
    assert (acks.next_offset(P0), acks.next_offset(P1)) == (None, 10)


def test_record_without_messages_is_committable_at_once(acks: OrderedPublisher, publisher: FakePublisher) -> None:
    [in_flight] = acks.arrive([record(3)])
    acks.finish(in_flight, [])
    assert publisher.calls == []
    assert acks.next_offset(P0) == 4


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_record_is_acknowledged_only_after_its_early_messages_too(
    acks: OrderedPublisher, publisher: FakePublisher, order: tuple[int, ...]
) -> None:
    [in_flight] = acks.arrive([record(3)])
    acks.publish_early(in_flight, [message(b"alert")])
    acks.publish_early(in_flight, [message(b"another")])
    acks.finish(in_flight, [message(b"review")])
    assert publisher.values == [[b"alert"], [b"another"], [b"review"]]
    for number, call in enumerate(order):
        assert acks.next_offset(P0) is None, number
        publisher.deliver(call)
    assert acks.next_offset(P0) == 4


def test_nothing_of_an_old_epoch_is_published_or_committed(acks: OrderedPublisher, publisher: FakePublisher) -> None:
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


def test_closed_partition_takes_no_records_and_has_no_offset(acks: OrderedPublisher) -> None:
    [in_flight] = acks.arrive([record(1)])
    acks.finish(in_flight, [])
    epoch = acks.epoch
    acks.close([P0])
    assert acks.epoch > epoch
    assert acks.arrive([record(2)]) == []
    assert acks.next_offset(P0) is None
    assert acks.partitions == {P1}


def test_record_that_arrives_twice_in_an_epoch_is_a_bug(acks: OrderedPublisher) -> None:
    acks.arrive([record(1)])
    with pytest.raises(OffsetJumpedBack):
        acks.arrive([record(1)])


def test_in_flight_records_carry_their_record_and_partition(acks: OrderedPublisher) -> None:
    first, second = record(1), record(7, partition=1)
    in_flight_records = acks.arrive([first, second])
    assert [(in_flight.record, in_flight.partition, in_flight.epoch) for in_flight in in_flight_records] == [
        (first, P0, acks.epoch),
        (second, P1, acks.epoch),
    ]
    assert all(isinstance(in_flight, InFlightRecord) for in_flight in in_flight_records)


def test_position_beyond_the_last_record_is_committed_when_nothing_is_left(
    acks: OrderedPublisher, publisher: FakePublisher
) -> None:
    """Offsets 3 and 4 are no records: transaction markers, rolled back or compacted away."""
    a, b = acks.arrive([record(1), record(2)])
    acks.reached({P0: 5})
    assert acks.next_offset(P0) is None
    acks.finish(a, [message(b"a")])
    publisher.deliver(0)
    assert acks.next_offset(P0) == 2, "offset 2 is not finished"
    acks.finish(b, [message(b"b")])
    assert acks.next_offset(P0) == 2, "offset 2 is not delivered"
    publisher.deliver(1)
    assert acks.next_offset(P0) == 5


def test_position_is_not_committed_before_an_early_message_is_delivered(
    acks: OrderedPublisher, publisher: FakePublisher
) -> None:
    [in_flight] = acks.arrive([record(1)])
    acks.publish_early(in_flight, [message(b"alert")])
    acks.finish(in_flight, [])
    acks.reached({P0: 9})
    assert acks.next_offset(P0) is None
    publisher.deliver(0)
    assert acks.next_offset(P0) == 9


def test_partition_that_holds_no_records_is_committed_at_its_position(acks: OrderedPublisher) -> None:
    acks.reached({P0: 7, P1: 0, Partition("reviews", 2): 8})
    assert (acks.next_offset(P0), acks.next_offset(P1)) == (7, None)
    assert acks.next_offset(Partition("reviews", 2)) is None, "not ours"


def test_position_of_an_old_epoch_is_forgotten(acks: OrderedPublisher) -> None:
    acks.reached({P0: 7})
    acks.close([P0])
    acks.open([P0])
    assert acks.next_offset(P0) is None


@given(st.data())
def test_offset_to_be_committed_is_never_beyond_an_undelivered_record(data: st.DataObject) -> None:
    """Polls with gaps come, records finish in any order, deliveries follow; early messages hold theirs back."""
    publisher = FakePublisher()
    acks = OrderedPublisher(publisher)
    acks.open([P0])
    position = 0
    open_records: list[InFlightRecord] = []
    undelivered: dict[int, int] = {}  # offset -> what is still owed
    to_deliver: list[tuple[int, list[int]]] = []

    def published(before: int, offsets: list[int]) -> None:
        to_deliver.extend((call, offsets) for call in range(before, len(publisher.calls)))

    for _ in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["poll", "finish", "early", "deliver"])):
            case "poll":
                steps = data.draw(st.lists(st.integers(1, 4), max_size=4))
                offsets = []
                for step in steps:
                    offsets.append(position + step - 1)
                    position += step
                open_records += acks.arrive([record(offset) for offset in offsets])
                undelivered |= dict.fromkeys(offsets, 1)
                position += data.draw(st.integers(0, 3))  # what follows and is no record
                acks.reached({P0: position})
            case "early" if open_records:
                in_flight = data.draw(st.sampled_from(open_records))
                before = len(publisher.calls)
                acks.publish_early(in_flight, [message(b"early")])
                undelivered[in_flight.record.offset] += 1
                published(before, [in_flight.record.offset])
            case "finish" if open_records:
                in_flight = open_records.pop(data.draw(st.integers(0, len(open_records) - 1)))
                before = len(publisher.calls)
                acks.finish(in_flight, [message(str(in_flight.record.offset).encode())])
                released = [int(value or b"") for values in publisher.values[before:] for value in values]
                published(before, released)
            case "deliver" if to_deliver:
                call, offsets = to_deliver.pop(data.draw(st.integers(0, len(to_deliver) - 1)))
                publisher.deliver(call)
                for offset in offsets:
                    undelivered[offset] -= 1
                    if not undelivered[offset]:
                        del undelivered[offset]
        bound = min(undelivered, default=position)
        committed = acks.next_offset(P0) or 0
        assert committed <= bound
        if not undelivered:
            assert committed == position


def test_bytes_of_all_that_is_unreleased_are_known(acks: OrderedPublisher) -> None:
    """Records, and what they led to while that waits for an earlier one; nothing once it is published."""
    large = record(1)._replace(value=b"v" * 100_000, headers=(("trace", b"h" * 50_000),))
    head, second, third = acks.arrive([record(0), large, record(2)])
    other, _ = acks.arrive([record(0, 1), record(1, 1)])
    arrived = acks.unreleased_bytes
    assert 150_000 < arrived < 160_000

    acks.finish(second, [message(b"w" * 30_000), message(b"x" * 30_000)])
    assert acks.unreleased_bytes == arrived + 60_000
    acks.finish(third, [])
    acks.finish(other, [message(b"w" * 30_000)])
    assert acks.unreleased_bytes < arrived + 60_000, "what is released at once never waits"
    acks.finish(head, [])
    assert 0 < acks.unreleased_bytes < 2_000, "one record is left"
    acks.close([P0, P1])
    assert acks.unreleased_bytes == 0


@given(st.permutations(range(20)))
def test_nothing_is_left_of_the_bytes_in_whatever_order_records_finish(order: list[int]) -> None:
    acks = OrderedPublisher(FakePublisher())
    acks.open([P0])
    in_flight_records = acks.arrive([record(offset) for offset in range(20)])

    for count, index in enumerate(order, start=1):
        acks.finish(in_flight_records[index], [message(b"m" * index)])
        released = next((at for at in range(20) if at not in order[:count]), 20)
        assert (acks.unreleased_bytes == 0) == (released == 20)
        assert acks.unreleased_bytes >= (20 - released) * 1024
