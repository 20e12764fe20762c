"""Brokers away, killed, cut off, or without room on their disk; a topic that takes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator

from confluent_kafka import ElectionType
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, PartitionMetadata, ResourceType

from tests.reliability.chaos.faults.table import THREE_BROKERS, NoEffect, fault, until
from tests.reliability.testbed.messages import ENRICHED, REVIEWS
from tests.reliability.testbed.testbed import Testbed

_ELECTION_SECONDS = 20.0


@fault("kafka", "broker stopped and started", 1.0)
def _broker_stop(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    testbed.kafka.stop()
    try:
        yield
    finally:
        testbed.kafka.start()


@fault("kafka", "broker SIGKILL", 1.0)
def _broker_kill(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    testbed.kafka.kill()
    try:
        yield
    finally:
        testbed.kafka.start()


def _partitions(testbed: Testbed, topic: str = REVIEWS) -> dict[int, PartitionMetadata]:
    name = testbed.settings.topic_prefix + topic
    found: dict[int, PartitionMetadata] = testbed.admin.list_topics(name, timeout=10).topics[name].partitions
    return found


def _leaders(testbed: Testbed) -> dict[int, int]:
    return {number: partition.leader for number, partition in _partitions(testbed).items()}


@fault("kafka", "one of three brokers SIGKILL", 6.0, testbed=THREE_BROKERS)
def _one_of_three(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    victim = chance.choice([1, 2, 3])
    led = [number for number, leader in _leaders(testbed).items() if leader == victim]
    testbed.kafka.kill(victim)
    try:
        yield
        until(
            lambda: not (led and victim in _leaders(testbed).values()),
            _ELECTION_SECONDS,
            f"broker {victim} still leads partitions after its death",
        )
    finally:
        testbed.kafka.start()


@fault("kafka", "one output topic lacks in-sync replicas", 6.0, testbed=THREE_BROKERS)
def _too_few_in_sync(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """One of three copies is dead, and one topic asks for all: it refuses writes, others take them."""
    victim = chance.choice([1, 2, 3])
    try:
        _require_in_sync(testbed, ENRICHED, 3)
        testbed.kafka.kill(victim)
        until(
            lambda: not any(victim in one.isrs for one in _partitions(testbed, ENRICHED).values()),
            _ELECTION_SECONDS,
            f"broker {victim} is still in sync after its death",
        )
        yield
    finally:
        try:
            _require_in_sync(testbed, ENRICHED, 2)
        finally:
            testbed.kafka.start()


def _require_in_sync(testbed: Testbed, topic: str, replicas: int) -> None:
    entry = ConfigEntry("min.insync.replicas", str(replicas), incremental_operation=AlterConfigOpType.SET)
    name = testbed.settings.topic_prefix + topic
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    testbed.admin.incremental_alter_configs([resource])[resource].result(20)


@fault("kafka", "the leader of every partition moves", 1.0, testbed=THREE_BROKERS)
def _leaders_move(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Each broker in turn hands its partitions over and comes back; then the preferred ones are elected again."""
    moved: set[int] = set()
    for victim in (1, 2, 3):
        before = _leaders(testbed)
        testbed.kafka.stop(victim)
        moved |= {number for number, leader in _leaders(testbed).items() if leader != before[number]}
        testbed.kafka.start()
    yield
    testbed.admin.elect_leaders(ElectionType.PREFERRED, None).result(20)
    if len(moved) < len(_leaders(testbed)):
        raise NoEffect(f"only partitions {sorted(moved)} moved")


@fault("kafka", "disk full", 3.0, stall_seconds=10.0, needs_small_disk=True)
def _kafka_disk(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """The broker gives up when it cannot write; it is started again when there is room."""
    testbed.kafka_disk.fill()
    try:
        yield
        if testbed.kafka.processes:
            raise NoEffect("the broker could write although its disk was full")
    finally:
        testbed.kafka_disk.free()
        testbed.kafka.start()
