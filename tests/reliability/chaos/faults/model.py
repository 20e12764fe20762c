"""Models that fail, hang or fill the device, and reviews that kill the worker."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.error import URLError

import psutil

from tests.reliability.chaos.checker import product_of
from tests.reliability.chaos.checker_view import look_up
from tests.reliability.chaos.faults.table import AFTER_KILL, NoEffect, ended, fault, must, until
from tests.reliability.chaos.workload import LONG, deletion, plain
from tests.reliability.testbed.scripted_models import HELD, KILLS_SUMMARIZER, SLOW_SECONDS, TAKES_LONG
from tests.reliability.testbed.testbed import DEVICE_PATIENCE_SECONDS, UNRELEASED_BYTES, Testbed
from tests.reliability.testbed.workers import Exit

MOST_GROWTH_MIB = 2 * UNRELEASED_BYTES / 2**20 + 40.0  # as the setting says, and a poll
IN_FLIGHT = 400


def _trouble(name: str, seconds: float, *exits: Exit, stall_seconds: float = 5.0) -> None:
    @fault("model", name, seconds, stall_seconds=stall_seconds, starts=1 if exits else 0, exits=exits)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        testbed.troubles.has_taken_effect(name)
        testbed.troubles.begin(name)
        try:
            yield
        finally:
            testbed.troubles.end(name)
        if not testbed.troubles.has_taken_effect(name):
            raise NoEffect(f"no worker met the model's trouble {name!r}")


_trouble("raises on batches", 3.0)
_trouble("memory is full", 3.0)
_trouble("hangs", DEVICE_PATIENCE_SECONDS + 2.5, Exit("enrich", 1), Exit("describe", 1), stall_seconds=AFTER_KILL)
_trouble("broken", 3.0, Exit("enrich", 1), Exit("describe", 1), stall_seconds=AFTER_KILL)


@fault(
    "model",
    "a review that kills the worker",
    1.0,
    stall_seconds=4 * AFTER_KILL,
    starts=4,
    exits=(Exit("enrich", -int(signal.SIGKILL)),),
    killers=1,
)
def _killer(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    until(lambda: len(testbed.exits) > testbed.exits_before, 20, "the review killed no worker")
    yield


@fault(
    "model",
    "a review that kills the worker, on fresh disks",
    1.0,
    stall_seconds=4 * AFTER_KILL,
    starts=4,
    exits=(Exit("enrich", -int(signal.SIGKILL)),),
    most_deaths=4,
    killers=1,
    alone=True,
)
def _killer_on_fresh_disks(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Like containers: whatever a process had written to its disk is gone when it starts again."""
    testbed.workers.fresh_disks = True
    try:
        deaths = testbed.exits_before
        until(lambda: len(testbed.exits) > deaths, 20, "the review killed no worker")
        yield
        # while each start is a new one: until the review is rejected, or was met once more than it may be
        most_seconds = time.monotonic() + 4 * (AFTER_KILL + testbed.workers.longest_start())
        while time.monotonic() < most_seconds and len(testbed.exits) - deaths <= 4:
            if testbed.workers.is_complete("enrich") and _caught_up(testbed):
                break
            time.sleep(0.2)
    finally:
        testbed.workers.fresh_disks = False


@fault(
    "model",
    "a review that kills describe",
    1.0,
    exits=(Exit("describe", -int(signal.SIGKILL)),),
    most_deaths=4,
    describe_killers=1,
    holds_up=False,
    waits_for_texts=True,
)
def _killer_of_describe(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Every other product gets its text all the same, and so does the product of that review in the end."""
    until(
        lambda: any(one.role == "describe" for one in testbed.exits[testbed.exits_before :]),
        20,
        "the review did not kill describe",
    )
    yield
    product = next(
        product_of(one) for one in testbed.sent_so_far() if one.fields and KILLS_SUMMARIZER in str(one.value)
    )
    must(testbed, lambda: _has_text(testbed, product), 45.0, f"product {product} has a text")


@fault(
    "model",
    f"kill -9 with {IN_FLIGHT} reviews on the device",
    0.5,
    stall_seconds=AFTER_KILL + 9.0,
    starts=1,
    exits=(Exit("enrich", -int(signal.SIGKILL)),),
    alone=True,
)
def _killed_in_flight(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """All come again within the session's end and 17 s: found harmless together, not one after another."""
    prefix, number = f"{testbed.settings.topic_prefix}flight", chance.randrange(10**9)
    workers = [worker for worker in testbed.of("enrich") if testbed.is_ready(worker)]
    with testbed.trouble(HELD, str(IN_FLIGHT)):
        for i in range(6 * IN_FLIGHT):
            testbed.send(plain(prefix, number + i, LONG, product=f"{number}-{i % 12}"))  # few: each gets a text
        until(lambda: any(map(testbed.on_device, workers)), 5.0, f"no worker had {IN_FLIGHT} reviews on the device")
        victim = next(filter(testbed.on_device, workers))
        victim.signal(signal.SIGKILL)
        ended(victim)
    yield


@fault("model", "a slow review with 30,000 deletions behind it", 0.5, stall_seconds=15.0, alone=True)
def _slow_head(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """What is finished waits for its turn within stated memory: the workers grow by less than MOST_GROWTH_MIB."""
    prefix, number = f"{testbed.settings.topic_prefix}slow", chance.randrange(10**9)
    head = plain(prefix, number, TAKES_LONG, product=str(number))
    gone = plain(prefix, number + 1, product=str(number))
    before = {worker.process.pid: rss_mib(worker.process.pid) for worker in testbed.of("enrich")}
    most = 0.0
    testbed.send(head)
    for revision in range(30_000):
        testbed.send(deletion(gone, revision))
    end = time.monotonic() + SLOW_SECONDS + 4.0
    while time.monotonic() < end:
        most = max(most, *(rss_mib(pid) - mib for pid, mib in before.items()))
        time.sleep(0.1)
    yield
    must(testbed, lambda: _caught_up(testbed), 30.0, "the deletions behind a slow review did not get through")
    print(f"a worker grew by {most:.0f} MiB at most")
    if most > MOST_GROWTH_MIB:
        testbed.found_wrong(f"a worker grew by {most:.0f} MiB behind a slow review, more than {MOST_GROWTH_MIB}")


def _has_text(testbed: Testbed, product: str) -> bool:
    with suppress(URLError):
        return bool((look_up(testbed.api, [product]).get(product) or {}).get("text"))
    return False


def rss_mib(pid: int) -> float:
    """0 for a process that ended."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def _caught_up(testbed: Testbed) -> bool:
    """Everything that enrich was sent until now is committed."""
    return testbed.committed() == testbed.ends()
