"""A primary dies, and the Sentinels promote its replica: the workers follow by asking them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.reliability.chaos.faults.table import SENTINEL, NoEffect, fault
from tests.reliability.testbed.testbed import Testbed


def _promotes(name: str, lose_seconds: float) -> None:
    """With ``lose_seconds`` the replica lacks what was acknowledged so long before: less than the time to settle."""

    @fault("redis", name, 2.0, testbed=SENTINEL)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        dead = testbed.store.primary.port
        done = testbed.store.fail_over(lose_seconds=lose_seconds)
        try:
            yield
            if testbed.store.primary.port == dead:
                raise NoEffect("the primary is the one that was killed")
        finally:
            testbed.store.start_old_as_replica()
        if lose_seconds and not done.lost_bytes:
            raise NoEffect("the new primary had everything: nothing was forgotten")


_promotes("a Sentinel promotes the replica", 0.0)
_promotes("a Sentinel promotes a replica that lacks the last second", 1.0)
