"""Partitions that are added to a topic under a running worker, as where one grows with its load."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka.admin import AdminClient, NewPartitions

from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until

MakeStage = Callable[[int], Stage]


def test_added_partitions_are_read_from_their_beginning(stage: MakeStage) -> None:
    """What came before the worker knew of them too; the others go on where they were."""
    s = stage(1)
    s.produce(range(20))
    worker = s.start(metadata_age_seconds=2.0)
    wait_until(lambda: s.committed().get(0) == 20, 20, "the first partition is read")

    admin = AdminClient({"bootstrap.servers": s.settings.brokers})
    admin.create_partitions([NewPartitions(s.topic, 3)])[s.topic].result(10)
    wait_until(lambda: len(admin.list_topics(s.topic, timeout=5).topics[s.topic].partitions) == 3, 20, "they are there")
    for partition in range(3):
        s.produce(range(100 + 10 * partition, 110 + 10 * partition), partition)

    wait_until(lambda: s.committed() == {0: 30, 1: 10, 2: 10}, 60, "the new partitions are read")
    assert sorted(int(record.value or b"") for record in s.published()) == [*range(20), *range(100, 130)]
    assert worker.stop() == 0
