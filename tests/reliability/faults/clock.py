"""Clocks of workers that jump, or are slow."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.reliability.bed import Bed
from tests.reliability.faults.table import NotFelt, fault, until
from tests.reliability.workload import plain


def _clock(name: str, milliseconds: int) -> None:
    @fault("clock", f"jumps {name}", 2.0)
    def body(bed: Bed, chance: random.Random) -> Iterator[None]:
        bed.troubles.felt("clock")
        bed.troubles.begin("clock", str(milliseconds))
        try:
            yield
        finally:
            bed.troubles.end("clock")
        if not bed.troubles.felt("clock"):
            raise NotFelt("no worker asked the clock")


_clock("three hours forward", 3 * 3_600_000)
_clock("four minutes back", -4 * 60_000)
_clock("an hour back", -60 * 60_000)


@fault("clock", "more than five minutes slow", 3.0)
def _slow(bed: Bed, chance: random.Random) -> Iterator[None]:
    """Reviews that were just written are further ahead of such a clock than a review may be."""
    prefix, number = f"{bed.settings.topic_prefix}fresh", chance.randrange(10**9)
    bed.troubles.felt("clock")
    with bed.trouble("clock", str(-330_000)):
        until(lambda: bed.troubles.felt("clock"), 5.0, "no worker asked the clock")
        for i in range(50):
            bed.send(plain(prefix, number + i))
        yield
