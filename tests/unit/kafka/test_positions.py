"""Where reading goes on after an assignment, and which commits count as done."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import OffsetResetStrategy
from faust.types import TP

from stream_app import telemetry
from stream_app.kafka import consumer_thread, faust_commits
from stream_app.kafka.clock_check import ClockCheck
from stream_app.kafka.consumer_thread import ConsumerThread, Polled
from stream_app.kafka.faust_consumer import Consumer
from stream_app.kafka.fetcher import PatientFetcher
from stream_app.kafka.ordered_publisher import OrderedPublisher
from stream_app.records import Partition, RawRecord
from stream_app.steps.sequence import OffsetJumpedBack
from stream_app.testing.kafka import FakePublisher

P0, P1 = TP("reviews", 0), TP("reviews", 1)
FETCHER = "stream_app.kafka.fetcher"


class Client:
    """What aiokafka is to the thread: an assignment, its committed offsets, and where it is set to read."""

    def __init__(self, committed: dict[TP, int], *, active: bool = True) -> None:
        self.sought: dict[TP, Any] = {}
        assignment = SimpleNamespace(tps=frozenset({P0, P1}), active=active)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))

        async def fetch(partitions: list[TP]) -> Any:
            return {
                tp: SimpleNamespace(offset=offset, metadata="") for tp, offset in committed.items() if tp in partitions
            }

        self._coordinator = SimpleNamespace(fetch_committed_offsets=fetch)
        self._fetcher = SimpleNamespace(seek_to=self._seek, request_offset_reset=self._reset)

    def _seek(self, tp: TP, offset: int) -> None:
        self.sought[tp] = offset

    def _reset(self, tps: list[TP], to: Any) -> None:
        self.sought.update(dict.fromkeys(tps, to))


def sought(client: Client) -> tuple[Any, int]:
    """What the thread answers, and how often the positions' epoch was raised."""
    thread: Any = object.__new__(ConsumerThread)
    thread._ensure_consumer = lambda: client
    before = thread.position_epoch
    return asyncio.run(thread._seek_to_committed()), thread.position_epoch - before


def test_reading_goes_on_at_the_committed_offset_and_begins_at_the_first_where_there_is_none() -> None:
    client = Client({P0: 40, P1: -1})
    assert sought(client) == ({P0: 40, P1: None}, 1)
    assert client.sought == {P0: 40, P1: OffsetResetStrategy.EARLIEST}


def test_partitions_that_were_taken_away_meanwhile_are_left_alone() -> None:
    client = Client({P0: 40}, active=False)
    assert sought(client) == ({}, 0)
    assert client.sought == {}


def consumer_with(offsets: dict[Any, int | None], patience_seconds: float = 0.0) -> Any:
    """A consumer whose thread set these positions."""
    consumer: Any = object.__new__(Consumer)

    async def seek() -> dict[Any, int | None]:
        return offsets

    consumer.app = SimpleNamespace(settings=SimpleNamespace(publish_patience_seconds=patience_seconds))
    consumer._thread = SimpleNamespace(seek_to_committed=seek, position_epoch=0)
    consumer._acks = OrderedPublisher(FakePublisher())
    consumer._committed = {}
    consumer._committing = asyncio.Lock()
    consumer.assignment = lambda: set(offsets)
    return consumer


def finish(consumer: Any, offset: int) -> None:
    [in_flight] = consumer._acks.arrive([RawRecord("reviews", 0, offset, 0, None, b"")])
    consumer._acks.finish(in_flight, [])


def test_records_count_only_after_the_positions_are_set() -> None:
    async def test() -> Any:
        consumer = consumer_with({P0: 40})
        early = consumer._acks.arrive([RawRecord("reviews", 0, 39, 0, None, b"")])
        await consumer.perform_seek()
        return early, consumer._acks.partitions

    assert asyncio.run(test()) == ([], {Partition("reviews", 0)})


@pytest.mark.parametrize(("accepted", "left"), [(True, {}), (False, {P0: 41})])
def test_refused_commit_is_tried_again_and_a_done_one_is_not(accepted: bool, left: dict[TP, int]) -> None:
    async def test() -> Any:
        consumer = consumer_with({P0: 40})
        await consumer.perform_seek()
        finish(consumer, 40)

        async def commit(offsets: Any) -> bool:
            return accepted

        consumer._commit = commit
        offsets = consumer._filter_committable_offsets(())
        assert offsets == {P0: 41}
        assert await consumer._commit_offsets(offsets) is accepted
        return consumer._filter_committable_offsets(())

    assert asyncio.run(test()) == left


def test_group_that_has_read_nothing_commits_nothing() -> None:
    async def test() -> Any:
        consumer = consumer_with({P0: None, P1: 40})
        await consumer.perform_seek()
        consumer._acks.reached({Partition(*P0): 0, Partition(*P1): 40})
        return consumer._filter_committable_offsets(())

    assert asyncio.run(test()) == {}


def test_position_counts_only_together_with_the_records_before_it() -> None:
    async def test() -> Any:
        consumer = consumer_with({P0: 40})
        await consumer.perform_seek()
        consumer.app = SimpleNamespace(role_name="enrich", batches=asyncio.Queue(), now_ms=lambda: 0)
        consumer._clock_check = ClockCheck("enrich")
        consumer._hands_free = asyncio.Event()
        polled = Polled(1)
        polled[P0] = [RawRecord("reviews", 0, 40, 0, None, b"")]
        polled.positions = {Partition(*P0): 43}
        found: list[Any] = []  # what a commit at the first suspension would take
        asyncio.get_running_loop().call_soon(lambda: found.append(consumer._filter_committable_offsets(())))
        await consumer._hand_over(polled)
        await asyncio.sleep(0)
        [unfinished] = found
        [in_flight] = consumer.app.batches.get_nowait().in_flight_records
        consumer._acks.finish(in_flight, [])
        return unfinished, consumer._filter_committable_offsets(())

    assert asyncio.run(test()) == ({}, {P0: 43})


def test_only_what_is_assigned_is_committed() -> None:
    async def test() -> None:
        consumer = consumer_with({P0: 40})
        consumer.assignment = set
        assert not await consumer._commit_offsets({P0: 41})

    asyncio.run(test())


@pytest.mark.parametrize(("least", "patience"), [(0.2, 0.0), (0.0, 0.2)])
def test_broker_that_tells_no_positions_ends_the_process_when_patience_is_spent(
    monkeypatch: pytest.MonkeyPatch, least: float, patience: float
) -> None:
    """And not at once where there is none: a coordinator may have to be elected."""

    class Ended(Exception):
        pass

    def fatal(error: BaseException) -> None:
        raise Ended from error

    monkeypatch.setattr(faust_commits, "fatal", fatal)
    monkeypatch.setattr(faust_commits, "_SEEK_SECONDS", least)

    async def test() -> None:
        consumer = consumer_with({P0: 40}, patience_seconds=patience)
        consumer._thread.seek_to_committed = asyncio.Event().wait
        await consumer.perform_seek()

    began = time.monotonic()
    with pytest.raises(Ended):
        asyncio.run(test())
    assert 0.2 <= time.monotonic() - began < 5


class Assignment:
    """aiokafka's: one partition that waits for its position, which the broker sets to ``first``."""

    def __init__(self, first: int | None) -> None:
        self._first = first
        self._state = SimpleNamespace(awaiting_reset=True, has_valid_position=False, position=None)

    def state_value(self, tp: TP) -> Any:
        return self._state

    async def answer(self, *_: Any) -> bool:
        if self._first is not None:
            self._state = SimpleNamespace(awaiting_reset=False, has_valid_position=True, position=self._first)
        return True


@pytest.mark.parametrize(
    ("reached", "first", "expected", "restarted"),
    [
        ({Partition(*P0): 40}, 100, ["lost 40 100"], {}),
        ({Partition(*P0): 40}, 0, ["again 40 0"], {Partition(*P0): 0}),
        ({Partition(*P0): 40}, 40, [], {}),
        ({}, 100, [], {}),  # a group without a commit begins where the log does
        ({Partition(*P0): 40}, None, [], {}),  # the broker gave no answer
    ],
)
def test_position_that_the_log_does_not_hold_is_said(
    monkeypatch: pytest.MonkeyPatch, reached: Any, first: int | None, expected: list[str], restarted: Any
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        f"{FETCHER}.telemetry.records_lost_to_retention",
        lambda t, p, old, new: said.append(f"lost {old} {new}"),
    )
    monkeypatch.setattr(
        f"{FETCHER}.telemetry.log_no_longer_reaches",
        lambda t, p, old, new: said.append(f"again {old} {new}"),
    )
    assignment = Assignment(first)
    monkeypatch.setattr(f"{FETCHER}.Fetcher._update_fetch_positions", lambda self, *_: assignment.answer())
    fetcher: Any = object.__new__(PatientFetcher)
    fetcher._closed, fetcher._fetch_task = True, None
    fetcher.reached, fetcher.restarted = dict(reached), {}
    assert asyncio.run(fetcher._update_fetch_positions(assignment, 1, [P0])) is True
    assert (said, fetcher.restarted) == (expected, restarted)
    assert fetcher.reached == (reached if first is None or not reached else {Partition(*P0): first})


def test_loss_is_said_where_a_seek_came_before_the_answer_of_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start aiokafka resets a position while it is set to the committed offset; the loss was never logged."""
    said: list[int] = []
    monkeypatch.setattr(f"{FETCHER}.telemetry.records_lost_to_retention", lambda t, p, old, new: said.append(new))
    fetcher: Any = object.__new__(PatientFetcher)
    fetcher._closed, fetcher._fetch_task = True, None
    fetcher.reached, fetcher.restarted = {Partition(*P0): 40}, {}
    for position in (40, 100):  # that of the seek; then the first of the log, since the broker does not have 40
        assignment = Assignment(position)
        monkeypatch.setattr(
            f"{FETCHER}.Fetcher._update_fetch_positions",
            lambda self, *_, a=assignment: a.answer(),
        )
        asyncio.run(fetcher._update_fetch_positions(assignment, 1, [P0]))
    assert said == [100]


def test_records_lost_to_retention_are_counted_where_the_role_is_watched() -> None:
    def counted() -> float:
        name, labels = "stream_app_records_lost_to_retention_total", {"topic": "reviews"}
        return telemetry.registry_of("summarize").get_sample_value(name, labels) or 0.0

    before = counted()
    fetcher: Any = object.__new__(PatientFetcher)
    fetcher._closed, fetcher._fetch_task = True, None
    fetcher.reached, fetcher.restarted = {Partition(*P0): 40}, {}
    assignment = Assignment(100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{FETCHER}.Fetcher._update_fetch_positions", lambda self, *_: assignment.answer())
        asyncio.run(fetcher._update_fetch_positions(assignment, 1, [P0]))

    assert counted() - before == 60


@pytest.mark.parametrize("at_work", [False, True])
def test_log_that_was_made_again_is_committed_at_its_beginning_at_once(at_work: bool) -> None:
    """Else a crash, and a log that grew meanwhile, would skip what it held up to the old commit."""

    async def test() -> Any:
        consumer = consumer_with({P0: 40})
        await consumer.perform_seek()
        if at_work:
            finish(consumer, 40)
        commits: list[Any] = []

        async def commit(offsets: Any) -> bool:
            commits.append(offsets)
            return True

        consumer._commit = commit
        polled = Polled(consumer._thread.position_epoch)
        polled.restarted = {Partition(*P0): 0}
        if at_work:
            with pytest.raises(OffsetJumpedBack, match="reviews-0 no longer reaches"):
                await consumer._restart(polled)
            return commits, None
        await consumer._restart(polled)
        finish(consumer, 0)
        return commits, consumer._filter_committable_offsets(())

    assert asyncio.run(test()) == ([{P0: 0}], None if at_work else {P0: 1})


def test_log_that_was_made_again_before_a_rebalance_is_left_to_the_next_owner() -> None:
    """It waited for another commit; what is committed now belongs to whoever has the partition."""

    async def test() -> None:
        consumer = consumer_with({P0: 40})
        await consumer.perform_seek()
        polled = Polled(consumer._thread.position_epoch)
        polled.restarted = {Partition(*P0): 0}
        consumer._thread.position_epoch += 1
        consumer._commit = None  # would raise
        await consumer._restart(polled)
        assert consumer._committed == {P0: 40}

    asyncio.run(test())


def test_partition_without_a_leader_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its records end is asked for a crash note alone, which says how far they were read."""
    monkeypatch.setattr(consumer_thread, "_END_OFFSETS_SECONDS", 0.05)

    async def never(_: Any) -> Any:
        await asyncio.Event().wait()

    thread: Any = object.__new__(ConsumerThread)
    thread._ensure_consumer = lambda: SimpleNamespace(end_offsets=never)
    assert asyncio.run(thread._end_offsets([P0])) == {}
