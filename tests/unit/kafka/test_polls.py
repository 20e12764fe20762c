"""A poll counts only when its records belong to the present positions; the rest comes again, so nothing is lost."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from stream_app.kafka import faust_consumer
from stream_app.kafka.consumer_thread import ConsumerThread, Polled
from stream_app.kafka.faust_consumer import Consumer
from stream_app.records import Partition, RawRecord

P0 = TP("reviews", 0)


def consumer_on(thread: Any, *, room: bool = True, unreleased_bytes: int = 0) -> Any:
    """A consumer between its parts: assigned P0, records flow."""
    consumer = object.__new__(Consumer)
    consumer.flow_active = True
    consumer._stopped = asyncio.Event()
    consumer.can_resume_flow = asyncio.Event()
    consumer._hands_free = asyncio.Event()
    consumer._hands_free.set()
    consumer._active_partitions = {P0}
    consumer._settings = SimpleNamespace(max_poll_interval_seconds=300.0, unreleased_bytes=1000)
    consumer._acks = SimpleNamespace(unreleased_bytes=unreleased_bytes)
    consumer._role = consumer._publisher = SimpleNamespace(has_room=lambda: room)
    consumer._touched_at = 0.0
    consumer._gate_pause = 0.001
    consumer._thread = thread
    return consumer


class Thread:
    """The consumer's thread: counts touches, answers a poll, and may do something in the middle of it."""

    def __init__(self) -> None:
        self.position_epoch = 1
        self.touches = 0
        self.polls = 0
        self.meanwhile: Any = lambda: None

    async def touch(self) -> None:
        self.touches += 1

    async def getmany(self, active: Any, timeout: float) -> Polled:
        self.polls += 1
        polled = Polled(self.position_epoch)
        polled[P0] = [cast("RawRecord", "record")]
        self.meanwhile()
        return polled


def test_poll_of_the_present_positions_is_handed_over() -> None:
    async def test() -> Any:
        polled, _ = await consumer_on(Thread())._wait_next_records(1.0)
        return polled

    assert asyncio.run(test()) == {P0: ["record"]}


def test_poll_that_overlaps_new_positions_is_dropped_because_it_comes_again() -> None:
    async def test() -> Any:
        thread = Thread()
        consumer = consumer_on(thread)

        def rebalance() -> None:
            consumer.flow_active = False

            def resume() -> None:
                thread.position_epoch += 1  # perform_seek
                consumer.flow_active = True
                consumer.can_resume_flow.set()

            asyncio.get_running_loop().call_later(0.01, resume)

        thread.meanwhile = rebalance
        polled, _ = await consumer._wait_next_records(1.0)
        return polled

    assert asyncio.run(test()) == {}


@pytest.mark.parametrize("full", [{"room": False}, {"unreleased_bytes": 1000}])
def test_nothing_is_fetched_without_room_but_the_group_hears_of_us(full: dict[str, Any]) -> None:
    async def test() -> Thread:
        thread = Thread()
        polled, _ = await consumer_on(thread, **full)._wait_next_records(1.0)
        assert polled == {}
        return thread

    thread = asyncio.run(test())
    assert (thread.polls, thread.touches) == (0, 1)


def test_group_hears_of_us_while_a_rebalance_takes_its_time() -> None:
    async def test() -> Thread:
        thread = Thread()
        consumer = consumer_on(thread)
        consumer.flow_active = False
        waiting = asyncio.create_task(consumer._wait_next_records(1.0))
        async with asyncio.timeout(10):
            while not thread.touches:
                await asyncio.sleep(0)
        assert thread.polls == 0
        consumer.flow_active = True
        consumer.can_resume_flow.set()
        await waiting
        return thread

    assert asyncio.run(test()).polls == 1


def test_gate_is_looked_at_less_and_less_often_until_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def test() -> None:
        consumer = consumer_on(Thread(), room=False)
        consumer._gate_pause = faust_consumer._GATE_PAUSE_SECONDS
        with monkeypatch.context() as patched:
            patched.setattr("stream_app.kafka.faust_consumer.asyncio.sleep", sleep)
            for _ in range(5):
                await consumer._wait_next_records(1.0)
            consumer._role = consumer._publisher = SimpleNamespace(has_room=lambda: True)
            await consumer._wait_next_records(1.0)
            consumer._role = consumer._publisher = SimpleNamespace(has_room=lambda: False)
            await consumer._wait_next_records(1.0)

    asyncio.run(test())
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.08, 0.01]


class Fetcher:
    """aiokafka's, as far as a poll asks it: records by partition, those of the first partition first."""

    def __init__(self, records: dict[TP, list[int]], come_meanwhile: dict[TP, list[int]]) -> None:
        self._records = records
        self._come_meanwhile = come_meanwhile
        self._closed = False
        self._subscriptions = SimpleNamespace(fetch_context=nullcontext)
        self.reached: dict[Any, int] = {}
        self.restarted: dict[Any, int] = {}

    async def fetched_records(self, partitions: Any, timeout: float, max_records: int) -> dict[TP, list[int]]:
        polled: dict[TP, list[int]] = {}
        self._records |= self._come_meanwhile
        for tp in [tp for tp in self._records if tp in partitions]:
            if room := max_records - sum(map(len, polled.values())):
                polled[tp], self._records[tp] = self._records[tp][:room], self._records[tp][room:]
                if not self._records[tp]:
                    del self._records[tp]
        return polled


def polled_of(
    records: dict[TP, list[int]], active: int, most: int, come_meanwhile: dict[TP, list[int]] | None = None
) -> dict[int, int]:
    """Records of one poll by partition, ``active`` partitions being assigned."""
    thread = object.__new__(ConsumerThread)
    thread.consumer = SimpleNamespace(flow_active=True)
    assigned = frozenset(TP("reviews", number) for number in range(active))
    consumer = client_on(assigned, Fetcher(records, come_meanwhile or {}), {})
    polled = asyncio.run(thread._fetch_records(consumer, assigned, timeout=1.0, max_records=most))
    return {tp.partition: len(of_one) for tp, of_one in polled.items()}


def client_on(assigned: frozenset[TP], fetcher: Any, positions: dict[TP, int]) -> Any:
    """aiokafka's consumer with these partitions; those without a position are being set."""

    def state_value(tp: TP) -> Any:
        return SimpleNamespace(has_valid_position=tp in positions, position=positions.get(tp), lso=40)

    assignment = SimpleNamespace(active=True, tps=assigned, state_value=state_value)
    return SimpleNamespace(
        _fetcher=fetcher,
        _closed=False,
        _coordinator=SimpleNamespace(check_errors=lambda: None),
        _subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment)),
    )


def test_partitions_share_a_poll_equally() -> None:
    """A busy one does not hold up the others."""
    records = {TP("reviews", 0): [0] * 100, TP("reviews", 1): [0] * 100, TP("reviews", 2): [0] * 2}
    assert polled_of(records, active=12, most=30) == {0: 10, 1: 10, 2: 2}


def test_poll_is_not_larger_than_it_may_be_when_records_come_while_it_waits() -> None:
    """aiokafka keeps a partition that is used up until it is asked once more."""
    records: dict[TP, list[int]] = {TP("reviews", 0): []}
    later = {TP("reviews", number): [0] * 100 for number in range(1, 12)}
    assert sum(polled_of(records, active=12, most=30, come_meanwhile=later).values()) <= 30 + len(later)


def test_one_partition_that_alone_has_records_fills_a_poll() -> None:
    """Twelve polls for what one could bring would each cost a way to the consumer's thread and back."""
    assert polled_of({TP("reviews", 3): [0] * 100}, active=12, most=30) == {3: 30}


def test_poll_says_how_far_each_partition_is_read() -> None:
    """Also where it brings no record of it: transaction markers are read, and never handed over."""
    read, marker, being_set, taken_away = (TP("reviews", number) for number in range(4))
    thread = object.__new__(ConsumerThread)
    thread.consumer = SimpleNamespace(flow_active=True)
    fetcher = Fetcher({read: [5]}, {})
    consumer = client_on(frozenset({read, marker, being_set}), fetcher, {read: 6, marker: 40, taken_away: 7})
    active = frozenset({read, marker, being_set, taken_away})

    polled = asyncio.run(thread._fetch_records(consumer, active, timeout=1.0, max_records=10))

    assert polled.positions == {Partition("reviews", 0): 6, Partition("reviews", 1): 40}
    assert fetcher.reached == polled.positions
    assert polled.at_end == {marker}


def test_poll_without_records_is_handed_over_for_its_positions() -> None:
    async def test() -> list[Polled]:
        handed: list[Polled] = []

        class Marker(Thread):
            async def getmany(self, active: Any, timeout: float) -> Polled:
                polled = Polled(self.position_epoch)
                polled.positions = {Partition("reviews", 0): 40}
                return polled

        async def hand_over(polled: Polled) -> None:
            handed.append(polled)
            consumer._stopped.set()

        consumer = consumer_on(Marker())
        consumer._hand_over = hand_over
        await consumer._drain_messages(SimpleNamespace(_stopped=asyncio.Event()))
        return handed

    assert [polled.positions for polled in asyncio.run(test())] == [{Partition("reviews", 0): 40}]
