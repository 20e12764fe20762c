"""What happens when partitions are revoked: the steps at the head of faust_consumer.py, each of them, in order."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver

from stream_app.kafka import consumer_thread, faust_app, faust_consumer
from stream_app.kafka.faust_app import RoleApp
from stream_app.kafka.faust_consumer import Batch, Consumer
from stream_app.ports import BrokerUnavailable
from stream_app.records import Partition

P0 = Partition("reviews", 0)


class Rig:
    """A consumer between parts that write down what is asked of them."""

    def __init__(self, *, drain_seconds: float = 20.0, stopping: bool = False) -> None:
        self.calls: list[str] = []
        self.hangs: set[str] = set()
        self.partitions = frozenset({P0})
        consumer: Any = object.__new__(Consumer)
        consumer._settings = SimpleNamespace(drain_seconds=drain_seconds)
        consumer._draining = asyncio.Lock()
        consumer._hands_free = asyncio.Event()
        consumer._hands_free.set()
        consumer._role = SimpleNamespace(
            drop_waiting=lambda partitions: self.calls.append("drop"), finish_started=self.asks("finish started")
        )
        consumer._publisher = SimpleNamespace(flush=self.asks("flush"))
        consumer._acks = self
        consumer.app = SimpleNamespace(role_name="test", should_stop=stopping)
        consumer.stop_flow = lambda: self.calls.append("stop fetching")
        consumer._commit_fut = None
        consumer.force_commit = self.asks("commit")
        self.consumer = consumer

    def asks(self, what: str) -> Any:
        async def ask(*_: Any) -> None:
            self.calls.append(what)
            if what in self.hangs:
                await asyncio.Event().wait()

        return ask

    def close(self, partitions: frozenset[Partition]) -> None:
        self.calls.append("new epoch")
        self.partitions -= partitions


ALL = ["stop fetching", "drop", "drop", "finish started", "flush", "commit", "new epoch"]


@pytest.fixture
def faust_goes_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which of Faust's own hooks were called."""
    called: list[str] = []
    for name in ("on_partitions_revoked", "on_partitions_assigned"):

        async def hook(*_: Any, name: str = name) -> None:
            called.append(name)

        monkeypatch.setattr(driver.Consumer, name, hook, raising=False)
    return called


def test_started_work_is_finished_published_and_committed_before_the_epoch_ends(faust_goes_on: list[str]) -> None:
    async def test() -> list[str]:
        rig = Rig()
        await rig.consumer.on_partitions_revoked({P0})
        return rig.calls

    assert asyncio.run(test()) == ALL
    assert faust_goes_on == ["on_partitions_revoked"]


def test_error_of_an_assignment_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka would log it: a member that holds partitions and reads none of them."""
    ended: list[BaseException] = []
    monkeypatch.setattr(faust_consumer, "fatal", ended.append)
    broken = RuntimeError("no position")

    async def hook(*_: Any) -> None:
        raise broken

    monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", hook, raising=False)

    async def test() -> None:
        await Rig().consumer.on_partitions_assigned({P0})

    asyncio.run(test())
    assert ended == [broken]


def test_take_in_progress_is_waited_for_and_what_it_submitted_is_dropped_too() -> None:
    async def test() -> list[str]:
        rig = Rig()
        rig.consumer._hands_free.clear()

        def taken() -> None:
            rig.calls.append("taken")
            rig.consumer._hands_free.set()

        asyncio.get_running_loop().call_later(0.05, taken)
        await rig.consumer.finish_and_commit()
        return rig.calls

    assert asyncio.run(test()) == [*ALL[:2], "taken", *ALL[2:]]


@pytest.mark.parametrize("what", ["finish started", "flush"])
def test_work_that_hangs_is_given_up_after_the_drains_time_and_the_rest_is_committed(what: str) -> None:
    async def test() -> list[str]:
        rig = Rig(drain_seconds=0.05)
        rig.hangs = {what}
        await rig.consumer.finish_and_commit()
        return rig.calls

    assert asyncio.run(test())[-2:] == ALL[-2:]


def test_what_is_finished_is_no_candidate_where_no_broker_takes_it() -> None:
    """A partition of an output topic is away: no review is to blame for an end."""

    async def test() -> list[str]:
        rig = Rig(drain_seconds=0.05)
        rig.hangs = {"flush"}
        notes = ("drained", "revoked")
        rig.consumer._crashes = SimpleNamespace(**{name: lambda name=name: rig.calls.append(name) for name in notes})
        await rig.consumer.finish_and_commit()
        return rig.calls

    assert asyncio.run(test()) == [*ALL[:4], "drained", *ALL[4:], "revoked"]


def test_unavailable_broker_ends_the_process_with_its_notes_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error ends it at once."""
    ended: list[BaseException] = []
    monkeypatch.setattr(faust_app, "fatal", ended.append)

    async def test() -> list[str]:
        rig = Rig()
        app: Any = object.__new__(RoleApp)
        app._consumer, app._ending = rig.consumer, None
        app.end(BrokerUnavailable("a partition is away"))
        app.end(BrokerUnavailable("said again while it ends"))
        assert rig.calls == ended == []
        await app._ending
        return rig.calls

    assert asyncio.run(test()) == ALL
    assert [str(error) for error in ended] == ["a partition is away"]


def test_commit_that_hangs_is_given_up_and_the_epoch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faust_consumer, "COMMIT_SECONDS", 0.05)

    async def test() -> list[str]:
        rig = Rig()
        rig.hangs = {"commit"}
        await rig.consumer.finish_and_commit()
        return rig.calls

    assert asyncio.run(test()) == ALL


def test_commit_under_way_is_waited_for_before_the_last_one() -> None:
    """Faust's commit() does nothing meanwhile."""

    async def test() -> list[str]:
        rig = Rig()
        under_way = rig.consumer._commit_fut = asyncio.Future()

        def committed() -> None:
            rig.calls.append("other commit")
            under_way.set_result(None)

        asyncio.get_running_loop().call_later(0.05, committed)
        await rig.consumer.finish_and_commit()
        return rig.calls

    assert asyncio.run(test()) == [*ALL[:-2], "other commit", *ALL[-2:]]


def test_commit_under_way_that_hangs_is_given_up_and_the_epoch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is committed at the same time; Faust's own wait for it would swallow our limit."""
    monkeypatch.setattr(faust_consumer, "COMMIT_SECONDS", 0.05)

    async def test() -> list[str]:
        rig = Rig()
        rig.consumer._commit_fut = asyncio.Future()
        async with asyncio.timeout(5.0):
            await rig.consumer.finish_and_commit()
        return rig.calls

    assert asyncio.run(test()) == [*ALL[:-2], "new epoch"]


def test_where_nothing_is_assigned_nothing_is_done() -> None:
    async def test() -> list[str]:
        rig = Rig()
        await rig.consumer.finish_and_commit()
        await rig.consumer.finish_and_commit()
        return rig.calls

    assert asyncio.run(test()) == ALL


def test_process_that_stops_drains_and_leaves_the_rest_of_a_rebalance_alone(faust_goes_on: list[str]) -> None:
    """Faust would close the consumer from the wrong thread: no LeaveGroup, and the partitions are orphaned."""

    async def test() -> list[str]:
        rig = Rig(stopping=True)
        await rig.consumer.on_partitions_revoked({P0})
        await rig.consumer.on_partitions_assigned({P0})
        return rig.calls

    assert asyncio.run(test()) == [*ALL, "stop fetching"]
    assert faust_goes_on == []


def test_nothing_is_fetched_between_an_assignment_and_its_positions(faust_goes_on: list[str]) -> None:
    async def test() -> list[str]:
        rig = Rig()
        await rig.consumer.on_partitions_assigned({P0})
        return rig.calls

    assert asyncio.run(test()) == ["stop fetching"]
    assert faust_goes_on == ["on_partitions_assigned"]


def test_error_in_a_drain_ends_the_process(monkeypatch: pytest.MonkeyPatch, faust_goes_on: list[str]) -> None:
    """aiokafka would log it and carry on as if everything were finished."""
    errors: list[BaseException] = []
    monkeypatch.setattr(faust_consumer, "fatal", errors.append)

    async def test() -> None:
        rig = Rig()
        rig.consumer._role.drop_waiting = lambda partitions: [].pop()
        await rig.consumer.on_partitions_revoked({P0})

    asyncio.run(test())
    assert [type(error) for error in errors] == [IndexError]


@pytest.mark.parametrize(("flows", "epoch", "taken"), [(True, 3, 1), (False, 3, 0), (True, 2, 0)])
def test_role_is_given_a_batch_of_the_present_epoch_only(flows: bool, epoch: int, taken: int) -> None:
    async def test() -> Consumer:
        consumer: Any = object.__new__(Consumer)
        consumer.flow_active = flows
        consumer._acks = SimpleNamespace(epoch=3)
        consumer._hands_free = asyncio.Event()
        takes: list[Any] = []

        async def take(in_flight_records: Any) -> None:
            takes.append(in_flight_records)

        consumer._role = SimpleNamespace(take=take)
        await consumer.take(Batch(epoch, []))
        assert len(takes) == taken
        return consumer

    assert asyncio.run(test())._hands_free.is_set()


async def _answers() -> None:
    """aiokafka leaves the group."""


async def _waits() -> None:
    await asyncio.Event().wait()


async def _is_cancelled() -> None:
    raise asyncio.CancelledError


async def _raises() -> None:
    raise ValueError("a bug")


def _stop_thread(monkeypatch: pytest.MonkeyPatch, leave: Any) -> None:
    async def on_thread_stop(_: Any) -> None:
        await leave()

    async def test() -> None:
        async with asyncio.timeout(5.0):
            await object.__new__(consumer_thread.ConsumerThread).on_thread_stop()

    monkeypatch.setattr(consumer_thread, "_LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_thread_stop", on_thread_stop)
    asyncio.run(test())


@pytest.mark.parametrize("leave", [_answers, _waits, _is_cancelled])
def test_group_is_left_or_given_up_soon_when_the_broker_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, leave: Any
) -> None:
    """aiokafka waits as long as a request may take, and its fetcher's cancellation comes out of its close."""
    _stop_thread(monkeypatch, leave)


def test_bug_while_the_group_is_left_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="a bug"):
        _stop_thread(monkeypatch, _raises)


def test_stopping_consumer_does_not_wait_for_a_commit_under_way() -> None:
    """Faust's own would, without limit; finish_and_commit has waited for it already."""

    async def test() -> list[str]:
        rig = Rig()
        rig.hangs = {"commit"}
        rig.consumer._commit_fut = asyncio.Future()
        async with asyncio.timeout(5.0):
            await rig.consumer.on_stop()
        return rig.calls

    assert asyncio.run(test()) == []
