"""Committed offsets that the log no longer holds: removed by retention, or a topic that was made again."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stream_app.kafka.admin import reach
from stream_app.kafka.client_config import consumer_config
from stream_app.kafka.group_check import lost_positions
from stream_app.kafka.groups import lag
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import log_identity
from stream_app.steps.log_mark import marked
from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until

MakeStage = Callable[[int], Stage]


def commit(stage: Stage, offset: int, metadata: str = "") -> None:
    group = stage.settings.group("enrich")
    consumer = Consumer({**consumer_config(stage.settings), "group.id": group})
    wanted = [TopicPartition(stage.topic, 0, offset, metadata)]
    reach(stage.settings, lambda _: consumer.commit(offsets=wanted, asynchronous=False))
    consumer.close()


def remove_before(stage: Stage, offset: int) -> None:
    """As retention does."""
    admin = AdminClient({"bootstrap.servers": stage.settings.brokers})
    [done] = admin.delete_records([TopicPartition(stage.topic, 0, offset)]).values()
    done.result(10)


def make_again(stage: Stage) -> None:
    admin = AdminClient({"bootstrap.servers": stage.settings.brokers})
    admin.delete_topics([stage.topic])[stage.topic].result(10)
    wait_until(lambda: stage.topic not in admin.list_topics(timeout=5).topics, 30, "it is gone")
    config = Topics(stage.settings.topic_prefix).configs()[stage.topic]
    admin.create_topics([NewTopic(stage.topic, 1, 1, config=config)])[stage.topic].result(10)
    wait_until(lambda: stage.topic in admin.list_topics(timeout=5).topics, 30, "it is there")


def test_records_that_retention_removed_unread_are_said_and_counted(stage: MakeStage) -> None:
    s = stage(1)
    s.produce(range(30))
    commit(s, 5)
    remove_before(s, 20)
    [reported] = lost_positions(s.settings, "enrich")
    assert "retention removed 15 records" in reported

    worker = s.start()

    wait_until(lambda: s.committed() == {0: 30}, 20, "the rest is read")
    assert [int(record.value or b"") for record in s.published()] == list(range(20, 30))
    [line] = [line for line in worker.log().splitlines() if "records_lost_to_retention" in line]
    assert '"lost": 15' in line
    assert '"level": "error"' in line
    assert lost_positions(s.settings, "enrich") == []
    assert worker.stop() == 0


def test_loss_is_said_once_where_nothing_is_left_to_be_read(stage: MakeStage) -> None:
    s = stage(1)
    s.produce(range(30))
    commit(s, 5)
    remove_before(s, 30)
    worker = s.start()
    wait_until(lambda: s.committed() == {0: 30}, 20, "the beginning of the log is committed")
    assert worker.log().count("records_lost_to_retention") == 1
    assert worker.stop() == 0
    successor = s.start()
    assert successor.stop() == 0
    assert "records_lost_to_retention" not in successor.log()


def test_topic_that_was_made_again_is_read_from_its_beginning(stage: MakeStage) -> None:
    s = stage(1)
    commit(s, 1000)
    s.produce(range(10))
    [reported] = lost_positions(s.settings, "enrich")
    assert "ends at 10 and is committed at 1000" in reported

    worker = s.start()

    wait_until(lambda: s.committed() == {0: 10}, 20, "all of it is read, and committed")
    assert [int(record.value or b"") for record in s.published()] == list(range(10))
    assert worker.log().count("log_no_longer_reaches") == 1
    assert lag(s.settings, "enrich") == 0
    assert worker.stop() == 0


def test_beginning_of_an_empty_topic_that_was_made_again_is_committed_at_once(stage: MakeStage) -> None:
    """A worker that dies now must not skip what comes, up to the old commit."""
    s = stage(1)
    commit(s, 1000)
    worker = s.start(never_finish=list(range(10)))
    wait_until(lambda: s.committed() == {0: 0}, 20, "its beginning is committed")
    worker.process.kill()


@pytest.mark.slow
def test_topic_made_again_under_a_worker_is_read_from_its_beginning(stage: MakeStage) -> None:
    """By this worker or, where records of the old log were at work, by the next one."""
    s = stage(1)
    s.produce(range(50))
    worker = s.start()
    wait_until(lambda: s.committed() == {0: 50}, 20, "it is read")
    make_again(s)
    s.produce(range(100, 110))

    def is_read() -> bool:
        nonlocal worker
        if worker.process.poll() is not None:
            worker = s.start()
        return s.committed() == {0: 10}

    wait_until(is_read, 90, "all of it is read")
    assert {int(record.value or b"") for record in s.published()} == {*range(50), *range(100, 110)}
    assert worker.stop() == 0


@pytest.mark.parametrize(
    ("other", "begins_at"),
    [
        ({}, 20),
        ({"topic_id": "AnotherTopicOfThisName"}, 0),
        ({"topic_id": "AnotherTopicOfThisName", "cluster_id": "another"}, 20),  # copied there, offsets translated
    ],
)
def test_recreated_topic_is_recognized_by_its_id_when_it_has_grown(
    stage: MakeStage, other: dict[str, str], begins_at: int
) -> None:
    """Its offsets reach beyond what was committed in the old one: records up to there were skipped."""
    s = stage(1)
    before = dataclasses.replace(log_identity(s.settings, s.topic), **other)
    commit(s, 20, marked("", before))
    s.produce(range(30))

    worker = s.start()

    wait_until(lambda: s.committed() == {0: 30}, 20, "it is read")
    assert [int(record.value or b"") for record in s.published()] == list(range(begins_at, 30))
    assert ("topic_was_recreated" in worker.log()) == (begins_at == 0)
    assert worker.stop() == 0


def test_running_worker_notices_that_its_topic_was_recreated_and_the_next_one_reads_all_of_it(
    stage: MakeStage,
) -> None:
    """It hangs until the new topic has grown beyond its position, so that nothing but the id tells of it."""
    s = stage(1)
    s.produce(range(10))
    worker = s.start(look_every_seconds=0.5)
    wait_until(lambda: s.committed() == {0: 10}, 20, "it is read")
    worker.process.send_signal(signal.SIGSTOP)
    make_again(s)
    s.produce(range(100, 130))
    worker.process.send_signal(signal.SIGCONT)

    assert worker.process.wait(30) == 1
    assert f"Topic {s.topic} was deleted and recreated while this process read it" in worker.log()
    successor = s.start()
    wait_until(lambda: s.committed() == {0: 30}, 20, "all of it is read")
    assert {int(record.value or b"") for record in s.published()} == {*range(10), *range(100, 130)}
    assert successor.stop() == 0
