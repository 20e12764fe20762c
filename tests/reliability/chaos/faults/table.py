"""What is broken on purpose, by name: each injects itself, heals itself, and says whether it had any effect."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.reliability.chaos.workload import plain
from tests.reliability.testbed.testbed import PARTITIONS, SESSION_SECONDS, WORKERS, Testbed
from tests.reliability.testbed.workers import Exit, Worker

ONE_OF_EACH = "1 broker, single store"
THREE_BROKERS = "3 brokers, single store"
PAIR = "1 broker, pair store"
SENTINEL = "1 broker, pair store with a Sentinel"
CLUSTER = "1 broker, cluster store"

AFTER_KILL = SESSION_SECONDS + 3.0  # a killed member is missed when its session ends; then what it had is isolated

_FEW_PRODUCTS = 8 * PARTITIONS  # by their hashes, each partition has some

Generator = Callable[[Testbed, random.Random], Iterator[None]]
Body = Callable[[Testbed, random.Random], AbstractContextManager[None]]


class NoEffect(AssertionError):
    """The fault was injected and had no effect: the round proves nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``during`` is entered to inject and left to heal; it raises NoEffect where nothing was broken.

    ``seconds``: how long it lasts. ``stall_seconds``: how long, after it healed, a fresh review may take at most, and
    ``starts``: behind how many starts of a worker, one after the other. How long one takes is measured in the round: it
    differs from machine to machine. ``holds_up``: reviews may wait for as long as the fault lasts besides.
    ``waits_for_texts``: heals last, since `describe` may need what the other fault broke; so two such are no pair.
    ``exits``: the ends of workers that it explains; ``most_deaths``: how many of them, 0: any number.
    ``killers``, ``describe_killers``: reviews in the load that kill `enrich`, or `describe`. Two of one ``part`` are
    not combined: the second would heal or hide the first. ``alone``: it is combined with no other. ``steady_seconds``:
    how late an alert may reach a receiver that the fault does not touch; 0: not checked. ``loses_deliveries``: what
    waits for receivers may be lost.
    """

    part: str
    what: str
    during: Body
    seconds: float
    stall_seconds: float = 5.0
    starts: int = 0
    exits: tuple[Exit, ...] = ()
    most_deaths: int = 0
    late_firsts: bool = False
    killers: int = 0
    describe_killers: int = 0
    testbed: str = ONE_OF_EACH
    needs_small_disk: bool = False
    steady_seconds: float = 0.0
    loses_deliveries: bool = False
    holds_up: bool = True
    alone: bool = False
    waits_for_texts: bool = False

    @property
    def name(self) -> str:
        return f"{self.part}: {self.what}"


FAULTS: dict[str, Fault] = {}


def fault(part: str, what: str, seconds: float, **more: Any) -> Callable[[Generator], None]:
    """Enter a generator function into the table: before its yield it injects, behind it it heals and looks.

    ``more``: the other fields of Fault.
    """

    def enter(body: Generator) -> None:
        entry = Fault(part, what, contextmanager(body), seconds, **more)
        FAULTS[entry.name] = entry

    return enter


def until(condition: Callable[[], object], seconds: float, message: str, error: type[Exception] = NoEffect) -> None:
    """Wait until the condition holds. Raises ``error`` if it does not within ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise error(message)
        time.sleep(0.02)


def ended(worker: Worker, seconds: float = 25.0) -> None:
    """Returns when the process has ended."""
    until(lambda: not worker.running, seconds, f"{worker.name} did not end")


def one_of(testbed: Testbed, role: str, chance: random.Random) -> Worker:
    """A running worker of a role, once all of them run."""
    until(lambda: len(testbed.of(role)) >= WORKERS[role], 20, f"not all workers of {role} run")
    return chance.choice(testbed.of(role))


def must(testbed: Testbed, condition: Callable[[], object], seconds: float, message: str) -> None:
    """Wait until the condition holds, once the fault is healed. If it does not within ``seconds``, that is wrong."""
    try:
        until(condition, seconds, message)
    except NoEffect:
        testbed.found_wrong(f"not within {seconds:.0f} s: {message}")


def few_reviews(testbed: Testbed, chance: random.Random) -> None:
    """Send a few to each partition, of new products, whatever the round's load has come to."""
    prefix, number = f"{testbed.settings.topic_prefix}few", chance.randrange(10**9)
    for i in range(4 * _FEW_PRODUCTS):
        testbed.send(plain(prefix, number + i, product=str(number + i // 4)))


def load_is_over(testbed: Testbed) -> bool:
    """Did nothing come to the topic of reviews for half a second?"""
    before = testbed.ends()
    time.sleep(0.5)
    return testbed.ends() == before
