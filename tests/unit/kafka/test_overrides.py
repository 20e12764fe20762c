"""What our overrides replace must be there in Faust and aiokafka: a version change needs a person."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher as fetcher_module
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.structs import TopicPartition
from faust.app.base import App
from faust.transport.drivers import aiokafka as driver
from faust.worker import Worker
from mode import Service

from stream_app.kafka import consumer_thread, faust_app, faust_consumer, raw_records
from stream_app.kafka.fetcher import PatientFetcher
from stream_app.ports import BrokerUnavailable
from stream_app.steps.log_identity import LogIdentity


def test_faust_and_aiokafka_are_the_versions_that_the_overrides_were_written_against() -> None:
    """Read the diff of both before you change the numbers in these files, and run the tests in integration/kafka."""
    assert (version("faust-streaming"), version("aiokafka")) == (
        faust_app.FAUST_VERSION,
        consumer_thread.AIOKAFKA_VERSION,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (
            consumer_thread.ConsumerThread,
            driver.AIOKafkaConsumerThread,
            ["_create_worker_consumer", "on_start", "_fetch_records", "seek_to_committed"],
        ),
        (PatientFetcher, Fetcher, ["_get_actions_per_node", "_update_fetch_positions"]),
        # aiokafka's own name for it is ours by now
        (raw_records.RawRecords, raw_records.PartitionRecords, ["_consumer_record", "_unpack_records"]),  # type: ignore[attr-defined]
        (raw_records.AnyNameRecords, _MemoryRecordsPy, ["next_batch"]),
        (raw_records._AnyNameBatch, _DefaultRecordBatchPy, ["_read_msg"]),
        (
            faust_consumer.Consumer,
            driver.Consumer,
            [
                "_new_consumer_thread",
                "_drain_messages",
                "_wait_next_records",
                "_filter_committable_offsets",
                "_commit_offsets",
                "perform_seek",
                "resume_flow",
                "on_partitions_assigned",
                "on_partitions_revoked",
            ],
        ),
        (faust_app.RoleApp, App, ["on_stop", "_on_agent_error", "_new_transport", "_create_directories"]),
        (faust_app.RoleWorker, Worker, ["_flag_as_shutdown_by_signal", "_setproctitle", "_crash"]),
    ],
)
def test_every_override_replaces_something_that_is_there(ours: type, theirs: type, names: list[str]) -> None:
    for name in names:
        assert callable(getattr(theirs, name, None)), f"{theirs.__name__}.{name} is gone"
        assert getattr(ours, name) is not getattr(theirs, name), f"{ours.__name__}.{name} is not overridden"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (driver.Consumer, ["force_commit", "stop_flow", "_get_active_partitions"]),
        (driver.AIOKafkaConsumerThread, ["call_thread", "getmany", "_ensure_consumer"]),
        (Fetcher, ["fetched_records", "seek_to", "request_offset_reset"]),
        (GroupCoordinator, ["check_errors", "fetch_committed_offsets"]),
        (SubscriptionState, ["fetch_context"]),
        (Service, ["_crash"]),
    ],
)
def test_every_private_method_that_the_overrides_call_is_there(owner: type, names: list[str]) -> None:
    assert [name for name in names if not callable(getattr(owner, name, None))] == []


def test_fetcher_makes_our_records() -> None:
    """By the names that its module holds."""
    ours = (raw_records.FetchedRecords, raw_records.RawRecords)
    assert (fetcher_module.MemoryRecords, fetcher_module.PartitionRecords) == ours


def test_consumer_names_the_commit_under_way_as_the_drain_expects() -> None:
    assert driver.Consumer._commit_fut is None


def test_consumer_reads_committed_records_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka's consumer hands this on to the fetcher that it makes when it starts."""
    made = AIOKafkaConsumer.__new__(AIOKafkaConsumer)
    made._isolation_level = "read_uncommitted"
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_create_worker_consumer", lambda self, transport: made)
    thread: Any = object.__new__(consumer_thread.ConsumerThread)
    assert thread._create_worker_consumer(None)._isolation_level == "read_committed"


def test_fetcher_is_ours_from_the_start_and_knows_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    role, log = object(), LogIdentity("cluster", "reviews", "id")

    async def start(self: Any) -> None:
        self._consumer = SimpleNamespace(_fetcher=object.__new__(Fetcher))

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_start", start)
    thread: Any = object.__new__(consumer_thread.ConsumerThread)
    settings = SimpleNamespace(publish_patience_seconds=0.0)
    thread.consumer = SimpleNamespace(app=SimpleNamespace(role=role, log_identity=log, settings=settings))

    asyncio.run(thread.on_start())

    assert isinstance(thread._consumer._fetcher, PatientFetcher)
    assert thread._consumer._fetcher.role is role
    assert thread.log_identity is log
    assert thread.consumer.app.connected


@pytest.mark.parametrize("failure", [KafkaConnectionError("refused"), BrokerUnavailable("no token"), None])
def test_consumer_that_reaches_no_broker_is_closed_and_the_role_ends_when_patience_is_spent(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    """None: the broker is silent."""
    closed, ended = [], []

    class Client:
        async def stop(self) -> None:
            closed.append(self)

    async def start(self: Any) -> None:
        self._consumer = Client()
        if failure is not None:
            raise failure
        await asyncio.sleep(60)

    def fatal(error: BaseException) -> None:
        ended.append(error)
        raise SystemExit(1)

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_start", start)
    monkeypatch.setattr(consumer_thread, "fatal", fatal)
    monkeypatch.setattr(consumer_thread, "_CONNECT_SECONDS", 0.05)
    settings = SimpleNamespace(publish_patience_seconds=0.0, brokers="broker:9092")
    app = SimpleNamespace(settings=settings, connected=False)
    thread: Any = object.__new__(consumer_thread.ConsumerThread)
    thread.consumer = SimpleNamespace(app=app)

    with pytest.raises(SystemExit):
        asyncio.run(thread.on_start())
    assert len(closed) == 1
    assert str(ended[0]) in ("no token", "Kafka at broker:9092 cannot be connected to.")
    assert not app.connected


def test_broker_waits_long_or_for_many_records_only_where_that_holds_no_one_back() -> None:
    """A fetch that waits for idle partitions holds back those that aiokafka still has records of. What counts is
    whether it has any, and whether the role may wait, when the request is made: (longest wait in milliseconds, bytes
    to wait for).
    """
    topic = "reviews"
    held, idle = TopicPartition(topic, 0), TopicPartition(topic, 1)

    async def waits() -> list[tuple[int, int]]:
        client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
        client.cluster.leader_for_partition = lambda tp: 1
        fetcher = Fetcher(client, SubscriptionState(), fetch_max_wait_ms=1500)
        fetcher.__class__ = PatientFetcher
        busy = [0, 0, 40, 40]
        fetcher.role = SimpleNamespace(fetch_wait_ms=lambda: busy.pop(0))
        some = {held: SimpleNamespace(calculate_backoff=lambda: 0)}
        state = SimpleNamespace(has_valid_position=True, paused=False, position=7)
        assignment = SimpleNamespace(tps=[held, idle], state_value=lambda tp: state)
        found = []
        for records in ({}, some, some, {}):
            fetcher._records = records
            [(_, request)] = fetcher._get_actions_per_node(assignment)[0]
            found.append((request._max_wait_ms, request._min_bytes))
        await fetcher.close()
        return found

    assert asyncio.run(waits()) == [(500, 1), (50, 1), (40, 256 * 1024), (40, 256 * 1024)]
