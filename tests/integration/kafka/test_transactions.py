"""A shop that publishes in transactions: what it rolled back is not read, and markers leave no consumer lag behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream_app.kafka.client_config import producer_config
from stream_app.kafka.groups import lag
from stream_app.kafka.offsets import end_offsets, held_back
from stream_app.kafka.reader import newest, read_to_end
from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until

MakeStage = Callable[[int], Stage]


class Shop:
    """A transactional producer for partition 0 of one topic."""

    def __init__(self, stage: Stage, topic: str) -> None:
        self._topic = topic
        self._producer = Producer({**producer_config(stage.settings), "transactional.id": f"{topic}.shop"})
        self._producer.init_transactions(30)

    def begin(self, values: Iterable[int]) -> None:
        """Begin a transaction; its records are on the broker when this returns."""
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(self._topic, key=str(value), value=str(value), partition=0)
        assert self._producer.flush(30) == 0

    def commit(self) -> None:
        self._producer.commit_transaction(30)

    def abort(self) -> None:
        self._producer.abort_transaction(30)

    def committed(self, values: Iterable[int]) -> None:
        self.begin(values)
        self.commit()

    def aborted(self, values: Iterable[int]) -> None:
        self.begin(values)
        self.abort()


def log_end(stage: Stage, topic: str) -> int:
    """The partition's end as the broker has it: markers and open transactions included."""
    admin = AdminClient({"bootstrap.servers": stage.settings.brokers})
    asked = {TopicPartition(topic, 0): OffsetSpec.latest()}
    [future] = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED).values()
    return int(future.result(10).offset)


def values(stage: Stage) -> list[int]:
    return [int(record.value or b"") for record in stage.published()]


def test_rolled_back_reviews_are_not_enriched_and_markers_leave_no_lag(stage: MakeStage) -> None:
    s = stage(1)
    shop = Shop(s, s.topic)
    shop.committed(range(10))
    shop.aborted(range(10, 20))
    shop.committed(range(20, 30))
    worker = s.start()
    wait_until(lambda: s.committed() == {0: log_end(s, s.topic)}, 20, "the trailing marker is committed")
    assert lag(s.settings, "enrich") == 0
    assert values(s) == [*range(10), *range(20, 30)]

    shop.aborted(range(30, 40))
    wait_until(lambda: s.committed() == {0: log_end(s, s.topic)}, 20, "a trailing rolled-back transaction is committed")
    shop.committed(range(40, 45))
    wait_until(lambda: s.committed() == {0: log_end(s, s.topic)}, 20, "it goes on")
    assert worker.stop() == 0
    assert values(s) == [*range(10), *range(20, 30), *range(40, 45)]

    successor = s.start()
    shop.committed([45])
    wait_until(lambda: s.committed() == {0: log_end(s, s.topic)}, 20, "a worker goes on from a position at a marker")
    assert successor.stop() == 0
    assert values(s) == [*range(10), *range(20, 30), *range(40, 46)]


def test_open_transaction_is_read_when_it_is_committed_and_is_no_lag_before(stage: MakeStage) -> None:
    s = stage(1)
    shop = Shop(s, s.topic)
    shop.committed(range(5))
    worker = s.start()
    shop.begin(range(5, 10))
    s.produce(range(10, 12), partition=0)
    wait_until(lambda: len(values(s)) == 5, 20, "what was committed is read")
    wait_until(lambda: lag(s.settings, "enrich") == 0, 20, "there is nothing more to be read yet")
    assert not s.moves_within(1.0)
    assert held_back(s.settings, s.topic) > 0, "what lag does not say"
    shop.commit()
    wait_until(lambda: values(s) == list(range(12)), 20, "all are read, in order")
    wait_until(lambda: s.committed() == {0: log_end(s, s.topic)}, 20, "and committed")
    assert worker.stop() == 0


def test_unfinished_record_before_a_marker_holds_the_commit_back(stage: MakeStage) -> None:
    """The consumer's position is far behind it."""
    s = stage(1)
    shop = Shop(s, s.topic)
    shop.committed(range(10))
    worker = s.start(never_finish=[7], settings={"drain_seconds": 0.5})
    wait_until(lambda: s.committed() == {0: 7}, 20, "what comes before it is committed")
    shop.aborted(range(10, 15))
    shop.committed(range(15, 20))
    assert not s.moves_within(1.5)
    assert worker.stop() == 0
    assert s.committed() == {0: 7}


def test_readers_without_a_group_end_at_a_marker(stage: MakeStage) -> None:
    s = stage(1)
    shop = Shop(s, s.topic)
    shop.committed(range(3))
    shop.aborted(range(3, 40))
    assert [record.value for record in read_to_end(s.settings, s.topic)] == [b"0", b"1", b"2"]
    last = newest(s.settings, s.topic)
    assert last is not None
    assert last.value == b"2"
    assert end_offsets(s.settings, s.topic) == {0: log_end(s, s.topic)}


def test_topic_of_rolled_back_reviews_alone_has_no_newest_record(stage: MakeStage) -> None:
    s = stage(1)
    Shop(s, s.topic).aborted(range(3))
    assert list(read_to_end(s.settings, s.topic)) == []
    assert newest(s.settings, s.topic) is None
