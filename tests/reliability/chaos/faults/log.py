"""Changes of the log of reviews itself: aborted transactions, and retention that is faster than a worker."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator

from confluent_kafka import Producer, TopicPartition

from tests.reliability.chaos.faults.table import NoEffect, fault, load_is_over, must, until
from tests.reliability.chaos.workload import plain
from tests.reliability.testbed.messages import REVIEWS, Sent
from tests.reliability.testbed.testbed import PARTITIONS, Testbed
from tests.reliability.testbed.workers import Exit

_EACH = 30


@fault("log", "transactions, aborted and committed", 1.0, alone=True)
def _transactions(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Every partition gets records of both; after the load its last record is a marker, and it counts as read."""
    prefix, number = f"{testbed.settings.topic_prefix}tx", chance.randrange(10**9)
    producer = Producer(
        {
            "bootstrap.servers": testbed.kafka.address,
            "transactional.id": f"{prefix}{number}",
            "partitioner": "murmur2_random",
            "log_level": 0,
        }
    )
    producer.init_transactions(20)

    def transaction(first: int, *, aborted: bool) -> list[Sent]:
        messages = [plain(prefix, first + i) for i in range(_EACH)]
        producer.begin_transaction()
        for one in messages:
            one.is_absent = aborted
            producer.produce(
                testbed.settings.topic_prefix + REVIEWS, key=one.key, value=one.value, on_delivery=_taker(one)
            )
        producer.flush(20)
        producer.abort_transaction(20) if aborted else producer.commit_transaction(20)
        for one in messages:
            one.acked_at = time.time()
            testbed.keep(one)
        return messages

    for at in range(4):
        transaction(number + at * _EACH, aborted=at % 2 == 0)
    yield
    until(lambda: load_is_over(testbed), 20.0, "the load did not end")
    aborted = transaction(number + 4 * _EACH, aborted=True)
    if len({one.partition for one in aborted}) < PARTITIONS:
        raise NoEffect("not every partition got a marker")
    must(testbed, lambda: _lag(testbed) == 0, 20.0, "nothing lags behind partitions that end with a marker")


def _taker(one: Sent) -> object:
    def acknowledged(error: object, message: object) -> None:
        if error is None:
            one.partition, one.offset = message.partition(), message.offset()  # type: ignore[attr-defined]

    return acknowledged


def _lag(testbed: Testbed) -> int:
    """Of enrich, by offsets alone."""
    committed, ends = testbed.committed(), testbed.ends()
    return sum(max(0, end - committed[number]) for number, end in ends.items())


@fault("log", "retention removes what enrich has not read", 3.0, exits=(Exit("enrich", 0),), alone=True)
def _retention(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """What is removed is said with its count by those that come back, and everything else gets through."""
    with testbed.workers.held("enrich"):
        committed = testbed.committed()
        yield
        until(lambda: sum(testbed.ends().values()) - sum(committed.values()) > 100, 10.0, "too few records wait")
        ends = testbed.ends()
        first_left = {number: committed[number] + (ends[number] - committed[number]) // 2 for number in ends}
        removed = sum(first_left[number] - committed[number] for number in ends)
        topic = testbed.settings.topic_prefix + REVIEWS
        for future in testbed.admin.delete_records(
            [TopicPartition(topic, number, offset) for number, offset in first_left.items()]
        ).values():
            future.result(10)
        testbed.shop.flush(20)
        gone = [one for one in testbed.sent_so_far() if one.topic == REVIEWS and _within(one, committed, first_left)]
        for one in gone:
            one.is_absent = one.may_have_alerted = True
        if len(gone) < 20:
            raise NoEffect(f"only {len(gone)} messages of the workload were removed")
        before = {worker.name for worker in testbed.workers.workers}
    until(lambda: testbed.workers.is_complete("enrich"), 30.0, "enrich did not come back")
    logs = [worker for worker in testbed.of("enrich") if worker.name not in before]
    must(
        testbed,
        lambda: sum(_said_lost(worker.log_text()) for worker in logs) == removed,
        15.0,
        f"the workers say that {removed} records were removed before they were read",
    )


def _within(one: Sent, first: dict[int, int], end: dict[int, int]) -> bool:
    return one.partition >= 0 and first[one.partition] <= one.offset < end[one.partition]


def _said_lost(log: str) -> int:
    """The counts of a log's lines about records that were removed unread."""
    lines = (line for line in log.splitlines() if _LOSS in line)
    return sum(int(found[1]) for line in lines if (found := re.search(r'"lost": (\d+)', line)))


_LOSS = "records_lost_to_retention"
