"""Redis is told to evict keys while workers run, as where it was full and somebody set another policy."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.reliability.chaos.faults.table import NoEffect, fault, must, until
from tests.reliability.chaos.faults.view import DIES_OVER_A_TEXT, rebuild_view
from tests.reliability.testbed.testbed import Testbed
from tests.reliability.testbed.worker import CHECK_EVERY_SECONDS
from tests.reliability.testbed.workers import Exit

_ROLES = ("summarize", "notify")
_NOTICED_SECONDS = 3 * CHECK_EVERY_SECONDS + 10.0
_SHARE = 0.2  # of the data, that has to go
_SAID = ("maxmemory-policy is allkeys-lru", "Redis lost the view")  # the latter where what names the view was evicted
_ENDED, _TO_BE_CHANGED, _SWITCHED = 1, 2, 75


@fault(
    "redis",
    "told to evict keys",
    0.5,
    stall_seconds=20.0,
    exits=(
        *(Exit(role, code) for role in _ROLES for code in (_ENDED, _TO_BE_CHANGED, _SWITCHED)),
        *(Exit("describe", code) for code in (_ENDED, _TO_BE_CHANGED, _SWITCHED)),
        DIES_OVER_A_TEXT,
    ),
    alone=True,
)
def _evicting(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Those that write the view end and say what to do; after the policy is set right a rebuild brings all back."""
    workers = [worker for role in _ROLES for worker in testbed.of(role)]
    with testbed.store.client() as client:
        memory = client.info("memory")
        before = client.info("stats")["evicted_keys"]
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", int(memory["used_memory"] - _SHARE * memory["used_memory_dataset"]))
        try:
            until(lambda: client.info("stats")["evicted_keys"] > before, 10.0, "Redis evicted nothing")
            for worker in workers:
                must(testbed, lambda: not worker.running, _NOTICED_SECONDS, f"{worker.name} ends")  # noqa: B023
                if not any(words in worker.log_text() for words in _SAID):
                    testbed.found_wrong(f"{worker.name} did not say why it ends: {worker.log_text()[-300:]!r}")
            if not workers:
                raise NoEffect("no worker wrote the view")
            yield
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 0)
    rebuild_view(testbed)
