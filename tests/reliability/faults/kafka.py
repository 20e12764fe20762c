"""Brokers away, killed, cut off, or without room on their disk."""

from __future__ import annotations

import random
from collections.abc import Iterator

from confluent_kafka import ElectionType

from tests.reliability.bed import Bed
from tests.reliability.faults.table import THREE_BROKERS, NotFelt, fault
from tests.reliability.workload import REVIEWS


@fault("kafka", "broker stopped and started", 1.0)
def _broker_stop(bed: Bed, chance: random.Random) -> Iterator[None]:
    bed.kafka.stop()
    try:
        yield
    finally:
        bed.kafka.start()


@fault("kafka", "broker SIGKILL", 1.0)
def _broker_kill(bed: Bed, chance: random.Random) -> Iterator[None]:
    bed.kafka.kill()
    try:
        yield
    finally:
        bed.kafka.start()


def _leaders(bed: Bed) -> dict[int, int]:
    topic = bed.settings.topic_prefix + REVIEWS
    found = bed.admin.list_topics(topic, timeout=10).topics[topic]
    return {number: partition.leader for number, partition in found.partitions.items()}


@fault("kafka", "one of three brokers SIGKILL", 6.0, bed=THREE_BROKERS)
def _one_of_three(bed: Bed, chance: random.Random) -> Iterator[None]:
    victim = chance.choice([1, 2, 3])
    led = [number for number, leader in _leaders(bed).items() if leader == victim]
    bed.kafka.kill(victim)
    try:
        yield
        if led and set(_leaders(bed).values()) & {victim}:
            raise NotFelt(f"broker {victim} still leads partitions after its death")
    finally:
        bed.kafka.start()


@fault("kafka", "the leader of every partition moves", 1.0, bed=THREE_BROKERS)
def _leaders_move(bed: Bed, chance: random.Random) -> Iterator[None]:
    """Each broker in turn hands its partitions over and comes back; then the preferred ones are elected again."""
    moved: set[int] = set()
    for victim in (1, 2, 3):
        before = _leaders(bed)
        bed.kafka.stop(victim)
        moved |= {number for number, leader in _leaders(bed).items() if leader != before[number]}
        bed.kafka.start()
    yield
    bed.admin.elect_leaders(ElectionType.PREFERRED, None).result(20)
    if len(moved) < len(_leaders(bed)):
        raise NotFelt(f"only partitions {sorted(moved)} moved")


@fault("kafka", "disk full", 3.0, stall_seconds=10.0, needs_small_disk=True)
def _kafka_disk(bed: Bed, chance: random.Random) -> Iterator[None]:
    """The broker gives up when it cannot write; it is started again when there is room."""
    bed.kafka_disk.fill()
    try:
        yield
        if bed.kafka.processes:
            raise NotFelt("the broker could write although its disk was full")
    finally:
        bed.kafka_disk.free()
        bed.kafka.start()
