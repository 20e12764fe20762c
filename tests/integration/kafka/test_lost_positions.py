"""Committed offsets that the log no longer holds: removed by retention, or a topic that was made again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stream_app.kafka.admin import lag
from stream_app.kafka.client_config import consumer_config
from stream_app.kafka.group_check import lost_positions
from stream_app.kafka.topics import Topics
from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until

MakeStage = Callable[[int], Stage]


def commit(stage: Stage, offset: int) -> None:
    group = stage.settings.group("enrich")
    consumer = Consumer({**consumer_config(stage.settings), "group.id": group})
    consumer.commit(offsets=[TopicPartition(stage.topic, 0, offset)], asynchronous=False)
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
    [told] = lost_positions(s.settings, "enrich")
    assert "retention removed 15 records" in told

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
    [told] = lost_positions(s.settings, "enrich")
    assert "ends at 10 and is committed at 1000" in told

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
