"""Clocks of workers that jump, or are slow."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.reliability.chaos.faults.table import NoEffect, fault, until
from tests.reliability.chaos.workload import plain
from tests.reliability.testbed.testbed import Testbed


def _clock(name: str, milliseconds: int) -> None:
    @fault("clock", f"jumps {name}", 2.0)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        testbed.troubles.has_taken_effect("clock")
        testbed.troubles.begin("clock", str(milliseconds))
        try:
            yield
        finally:
            testbed.troubles.end("clock")
        if not testbed.troubles.has_taken_effect("clock"):
            raise NoEffect("no worker asked the clock")


_clock("three hours forward", 3 * 3_600_000)
_clock("four minutes back", -4 * 60_000)
_clock("an hour back", -60 * 60_000)


@fault("clock", "more than five minutes slow", 3.0)
def _slow(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Reviews that were just written are further ahead of such a clock than a review may be."""
    prefix, number = f"{testbed.settings.topic_prefix}fresh", chance.randrange(10**9)
    testbed.troubles.has_taken_effect("clock")
    with testbed.trouble("clock", str(-330_000)):
        until(lambda: testbed.troubles.has_taken_effect("clock"), 5.0, "no worker asked the clock")
        for i in range(50):
            testbed.send(plain(prefix, number + i))
        yield
