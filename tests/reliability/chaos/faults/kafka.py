"""Brokers away, killed, cut off, or without room on their disk."""

from __future__ import annotations

import random
from collections.abc import Iterator

from confluent_kafka import ElectionType

from tests.reliability.chaos.faults.table import THREE_BROKERS, NoEffect, fault, until
from tests.reliability.testbed.messages import REVIEWS
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


def _leaders(testbed: Testbed) -> dict[int, int]:
    topic = testbed.settings.topic_prefix + REVIEWS
    found = testbed.admin.list_topics(topic, timeout=10).topics[topic]
    return {number: partition.leader for number, partition in found.partitions.items()}


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
