"""A role's process: how it begins, how it ends, and what it does while Kafka is away."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from stream_app.embedded.free_port import free_port
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.kafka import run as kafka_run
from stream_app.ports import BrokerUnavailable
from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until

MakeStage = Callable[[int], Stage]


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker for one test alone, which may stop it."""
    broker = EmbeddedKafka(tmp_path / "kafka", port=0)
    broker.start()
    yield broker
    broker.stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_an_idle_worker_with_0(stage: MakeStage, how: signal.Signals) -> None:
    worker = stage(1).start()
    assert worker.stop(how) == 0, worker.log()
    assert len(worker.events("stopped")) == 1


def test_exception_in_the_role_ends_the_process_with_1_and_commits_nothing_of_it(stage: MakeStage) -> None:
    s = stage(1)
    s.produce(range(50))
    worker = s.start_only(fail_at=0)

    assert worker.process.wait(60) == 1
    assert "asked to fail at 0" in worker.log()
    assert "process_ends" in worker.log()
    assert s.committed() == {}


def test_exception_in_the_middle_commits_nothing_beyond_what_was_finished(stage: MakeStage) -> None:
    s = stage(1)
    s.produce(range(3000))
    worker = s.start_only(fail_at=2500, settings={"max_poll_records": 200})

    assert worker.process.wait(60) == 1
    assert "asked to fail at 2500" in worker.log()
    assert s.committed().get(0, 0) <= s.outputs() <= 2500
    successor = s.start()
    wait_until(lambda: s.committed() == {0: 3000}, 20, "a worker that does not fail goes on from there")
    assert successor.stop() == 0
    assert {record.value for record in s.published()} == {str(value).encode() for value in range(3000)}


def test_exception_in_a_callback_ends_the_process_with_1(stage: MakeStage) -> None:
    s = stage(1)
    s.produce(range(50))
    worker = s.start_only(fail_in_callback_at=10)

    assert worker.process.wait(60) == 1
    assert "asked to fail in a callback" in worker.log()


def test_missing_topic_is_said_before_anything_is_consumed(stage: MakeStage) -> None:
    s = stage(1)
    worker = s.start_only(topic=f"{s.topic}.typo")

    assert worker.process.wait(60) != 0
    assert f"Topic {s.topic}.typo does not exist: `stream-app topics create` makes it." in worker.log()


def test_unreachable_broker_is_tried_again_until_patience_is_spent(stage: MakeStage) -> None:
    s = stage(1)
    worker = s.start_only(settings={"brokers": "127.0.0.1:1", "publish_patience_seconds": 3.0})

    assert worker.process.wait(60) != 0
    assert "Kafka at 127.0.0.1:1 does not answer as it should" in worker.log()
    assert "dependency_unavailable" in worker.log()


def test_broker_that_goes_between_two_questions_is_waited_for(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage(1)
    answers: list[Exception | None] = [BrokerUnavailable("gone"), BrokerUnavailable("gone"), None]

    def check(*names: object) -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    monkeypatch.setattr(kafka_run, "check_topics_of", check)
    asyncio.run(kafka_run._until_reachable(s.settings, "describe"))
    assert answers == []


def test_broker_that_goes_and_returns_costs_nothing_but_time(
    own_kafka: EmbeddedKafka, topic_prefix: str, tmp_path: Path
) -> None:
    s = Stage(own_kafka.address, topic_prefix, tmp_path)
    s.create(2)
    s.produce(range(5000))
    try:
        worker = s.start(work_seconds=0.5)
        wait_until(lambda: s.outputs() >= 100, 20, "it publishes")
        before = worker.log().count("dependency_unavailable")
        own_kafka.stop()
        wait_until(lambda: worker.log().count("dependency_unavailable") > before, 20, "it noticed")
        own_kafka.start()
        s.produce(range(5000, 6000))
        wait_until(lambda: len({r.value for r in s.published()}) == 6000, 60, "everything is published")
        wait_until(lambda: sum(s.committed().values()) == 6000, 20, "everything is committed")
        assert worker.stop() == 0, worker.log()
        assert worker.log().count("\n") < 200, "the clients' errors are rate-limited"
    finally:
        s.close()


def test_broker_that_goes_while_models_load_is_waited_for(
    own_kafka: EmbeddedKafka, topic_prefix: str, tmp_path: Path
) -> None:
    s = Stage(own_kafka.address, topic_prefix, tmp_path)
    s.create(1)
    try:
        worker = s.start_only(start_seconds=6.0)
        wait_until(lambda: worker.events("started"), 30, "it loads")
        own_kafka.stop()
        wait_until(lambda: "dependency_unavailable" in worker.log(), 30, "it noticed")
        own_kafka.start()
        wait_until(lambda: "role_became_ready" in worker.log(), 60, "it goes on")
        assert worker.stop() == 0, worker.log()
    finally:
        s.close()


def test_broker_that_goes_before_the_consumer_connects_is_waited_for(stage: MakeStage) -> None:
    s = stage(1)
    s.produce(range(10))
    worker = s.start(first_connections=["refused", "refused"])
    wait_until(lambda: s.outputs() == 10, 20, "it works")
    assert "dependency_unavailable" in worker.log()
    assert worker.stop() == 0, worker.log()


@pytest.mark.parametrize("code", [0, 75])
def test_signal_while_the_consumer_connects_ends_the_process(stage: MakeStage, code: int) -> None:
    """aiokafka waits for the answer of a silent broker as long as a request may take."""
    worker = stage(1).start_only(first_connections=["silent"], stop_code=code)
    wait_until(lambda: "dependency_unavailable" in worker.log(), 30, "it connects")
    began = time.monotonic()
    assert worker.stop() == code, worker.log()
    assert time.monotonic() - began < 5


def test_broker_that_stays_away_ends_the_process_with_1(
    own_kafka: EmbeddedKafka, topic_prefix: str, tmp_path: Path
) -> None:
    s = Stage(own_kafka.address, topic_prefix, tmp_path)
    s.create(1)
    s.produce(range(2000))
    try:
        worker = s.start(work_seconds=1.0, settings={"publish_patience_seconds": 2.0})
        wait_until(lambda: s.outputs() >= 1, 20, "it publishes")
        own_kafka.stop()
        assert worker.process.wait(60) == 1
        assert "acknowledged nothing for 2 s" in worker.log()
    finally:
        s.close()


def test_service_publishes_and_ends_with_0_when_stopped(stage: MakeStage) -> None:
    s = stage(1)
    worker = s.start(service=True)
    assert worker.stop() == 0, worker.log()
    assert s.outputs() == 1


def test_service_that_waits_for_something_when_it_is_stopped_ends_with_0(stage: MakeStage) -> None:
    """As `describe` does while no broker answers."""
    worker = stage(1).start(service=True, never_finish=[0], settings={"drain_seconds": 0.2})
    began = time.monotonic()
    assert worker.stop() == 0, worker.log()
    assert time.monotonic() - began < 10


def test_service_whose_thread_goes_on_when_the_view_is_switched_ends_as_for_a_switch(stage: MakeStage) -> None:
    """As `describe` does while its models load."""
    worker = stage(1).start(service=True, thread_seconds=60, stop_code=75, settings={"drain_seconds": 0.2})
    began = time.monotonic()
    assert worker.stop() == 75, worker.log()
    assert time.monotonic() - began < 10


def test_service_that_fails_ends_with_1(stage: MakeStage) -> None:
    worker = stage(1).start_only(service=True, fail_at=0)
    assert worker.process.wait(60) == 1
    assert "asked to fail" in worker.log()


def test_metrics_are_where_the_settings_say(stage: MakeStage) -> None:
    port = free_port(0, "metrics", print)
    stage(1).start(settings={"metrics_host": "127.0.0.2", "metrics_port": port})
    with urlopen(f"http://127.0.0.2:{port}/metrics", timeout=30) as answer:
        assert b"stream_app_partitions_assigned" in answer.read()
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30)


@pytest.mark.parametrize("ahead", [300.0, -300.0])
def test_machine_whose_clock_is_wrong_says_so(stage: MakeStage, ahead: float) -> None:
    s = stage(1)
    worker = s.start(clock_ahead_seconds=ahead)
    for value in range(12):
        s.produce(range(value, value + 1))
        wait_until(lambda enough=value + 1: s.outputs() == enough, 20, "it is read to its end")  # type: ignore[misc]
    wait_until(lambda: "clock_disagrees" in worker.log(), 30, "it is said")
    [line] = [json.loads(line) for line in worker.log().splitlines() if "clock_disagrees" in line]
    assert line["ahead_seconds"] == pytest.approx(ahead, abs=10.0)
    assert worker.stop() == 0
