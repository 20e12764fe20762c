"""A topic is deleted and recreated under running workers, for a second installation alongside the one under load."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from confluent_kafka.admin import NewTopic

from stream_app.kafka.topics import Topics
from tests.reliability.chaos.faults.table import NoEffect, fault, must, until
from tests.reliability.chaos.installation import Installation, installation
from tests.reliability.chaos.workload import workload
from tests.reliability.testbed.messages import ENRICHED, REVIEWS
from tests.reliability.testbed.testbed import PARTITIONS, Testbed
from tests.reliability.testbed.worker import LOOK_EVERY_SECONDS
from tests.reliability.testbed.workers import Exit, Worker

_OLD, _NEW = 120, 300  # the new log is longer: its offsets reach beyond what was committed of the old one
_NOTICED_SECONDS = 3 * LOOK_EVERY_SECONDS + 10.0
_REBUILD_SECONDS = 120.0
_TO_BE_CHANGED = 2
_SIZES = {"enrich": 2, "summarize": 1, "api": 1}
_OF_ANOTHER_INSTALLATION: Any = {"holds_up": False, "alone": True, "stall_seconds": 10.0}
"""The testbed's own installation has no fault, but the other one's processes start next to it."""


@fault("log", "reviews deleted and recreated under the workers", 0.5, **_OF_ANOTHER_INSTALLATION)
def _reviews(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Each worker notices and ends; the next one reads the new log from its beginning. The view loses nothing."""
    settings = testbed.settings_of(f"d{chance.getrandbits(32):x}.")
    with installation(testbed, "recreated-reviews", settings, sizes=_SIZES) as other:
        _read_the_old_log(testbed, other, chance)
        reader = other.reader()
        reader.read()
        before = other.workers.of("enrich")
        _recreate(testbed, other, REVIEWS)
        since = len(other.sent)
        other.send(workload(f"{settings.topic_prefix}new", chance.getrandbits(16), _NEW))
        yield
        _all_end(testbed, before, REVIEWS)
        for difference in other.checker(reader, since).differences:
            testbed.found_wrong(f"after its reviews were recreated: {difference}")


@fault("log", "reviews.enriched deleted and recreated under the workers", 0.5, **_OF_ANOTHER_INSTALLATION)
def _enriched(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """summarize ends, and refuses to start; so does a rebuild, which leaves the view as it was until the loss is
    accepted.
    """
    settings = testbed.settings_of(f"d{chance.getrandbits(32):x}.")
    with installation(testbed, "recreated-enriched", settings, sizes=_SIZES) as other:
        _read_the_old_log(testbed, other, chance)
        workers = other.workers
        before = workers.of("summarize")
        _recreate(testbed, other, ENRICHED)
        reader = other.reader()
        new = workload(f"{settings.topic_prefix}new", chance.getrandbits(16), _NEW)
        for one in new:
            other.shop.send(one)
        yield
        _all_end(testbed, before, ENRICHED)
        refusal = Exit("summarize", _TO_BE_CHANGED)
        must(testbed, lambda: refusal in workers.exits, 30.0, "summarize refuses the recreated log")
        with workers.held("summarize"):
            refused = workers.run("rebuild", seconds=_REBUILD_SECONDS)
            if refused.returncode != 1 or "topic id" not in " ".join((refused.stdout + refused.stderr).split()):
                testbed.found_wrong(f"`rebuild` did not refuse: {refused.returncode}, {refused.stderr[-300:]}")
            if changed := other.check_view().differences[:1]:
                testbed.found_wrong(f"the view of the old log changed: {changed}")
            accepted = workers.run("rebuild", "--accept-loss", seconds=_REBUILD_SECONDS)
            if accepted.returncode:
                testbed.found_wrong(
                    f"`rebuild --accept-loss` ended with {accepted.returncode}: {accepted.stderr[-300:]}"
                )
        other.sent = new
        for difference in other.checker(reader).differences:
            testbed.found_wrong(f"after its enriched reviews were recreated: {difference}")


def _read_the_old_log(testbed: Testbed, other: Installation, chance: random.Random) -> None:
    other.workers.start()
    other.send(workload(f"{other.settings.topic_prefix}old", chance.getrandbits(16), _OLD))
    for difference in other.checker().differences:
        testbed.found_wrong(f"before any topic was recreated: {difference}")


def _recreate(testbed: Testbed, other: Installation, topic: str) -> None:
    name = other.settings.topic_prefix + topic
    config = Topics(other.settings.topic_prefix).configs()[name]
    testbed.admin.delete_topics([name])[name].result(20)
    until(lambda: name not in testbed.admin.list_topics(timeout=10).topics, 20, f"{topic} was not deleted")
    new = NewTopic(name, PARTITIONS, other.settings.replication, config=config)
    testbed.admin.create_topics([new])[name].result(20)
    until(lambda: name in testbed.admin.list_topics(timeout=10).topics, 20, f"{topic} was not recreated")


def _all_end(testbed: Testbed, workers: list[Worker], topic: str) -> None:
    """Those that read the old log must not go on."""
    for worker in workers:
        must(testbed, lambda: not worker.running, _NOTICED_SECONDS, f"{worker.name} ends: {topic} is another")  # noqa: B023
    if not workers:
        raise NoEffect("no worker read the old log")
