"""Redis away, slow, full, killed, or taken over by a replica that lacks what was acknowledged last."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.reliability.chaos.faults.table import CLUSTER, PAIR, NoEffect, fault, until
from tests.reliability.testbed.testbed import Testbed


@fault("redis", "stopped and started", 2.0)
def _redis_stop(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    testbed.store.server.stop()
    try:
        yield
    finally:
        testbed.store.server.start()


@fault("redis", "SIGKILL", 1.0)
def _redis_kill(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    testbed.store.server.kill()
    try:
        yield
    finally:
        testbed.store.server.start()


@fault("redis", "slow", 4.0)
def _redis_slow(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    before = testbed.store.proxy.faults_seen.delayed
    testbed.store.proxy.delay(chance.choice([0.05, 0.3, 1.0]))
    try:
        yield
    finally:
        testbed.store.proxy.heal()
    if testbed.store.proxy.faults_seen.delayed == before:
        raise NoEffect("nothing was delayed on the way to Redis")


@fault("redis", "full", 3.0)
def _redis_full(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    with testbed.store.client() as client:
        refused = _refused(client.info("errorstats"))
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)
        if _refused(client.info("errorstats")) == refused:
            raise NoEffect("Redis refused no write for lack of memory")


def _refused(errors: dict[str, dict[str, int]]) -> int:
    return int(errors.get("errorstat_OOM", {}).get("count", 0))


@fault("redis", "scripts flushed", 2.0)
def _redis_scripts(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    with testbed.store.client() as client:
        client.script_flush()
        yield
        client.script_flush()
        until(
            lambda: "errorstat_NOSCRIPT" in client.info("errorstats"), 5, "no script was missed after it was forgotten"
        )


def _fails_over(name: str, testbed_name: str, lose_seconds: float) -> None:
    """With ``lose_seconds`` Redis forgets what it acknowledged so long before: less than the time to settle."""

    @fault("redis", name, 2.0, testbed=testbed_name)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        if testbed_name == PAIR:
            done = testbed.store.fail_over(lose_seconds=lose_seconds)
        else:
            done = testbed.store.kill_master(chance.randrange(3), lose_seconds=lose_seconds)
        try:
            yield
        finally:
            testbed.store.start_old_as_replica() if testbed_name == PAIR else testbed.store.restart_dead()
        if lose_seconds and not done.lost_bytes:
            raise NoEffect("the new primary had everything: nothing was forgotten")


_fails_over("a replica promoted", PAIR, 0.0)
_fails_over("a replica promoted that lacks the last second", PAIR, 1.0)
_fails_over("a cluster's master killed", CLUSTER, 0.0)
_fails_over("a cluster's master killed with its last second", CLUSTER, 1.0)


@fault("redis", "disk full", 3.0, needs_small_disk=True)
def _redis_disk(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Afterwards the append-only file is rewritten, as docs/operations.md says: half a write in it may not be loadable
    (valkey-io/valkey#2627, a fix that was open in 2026), and twice kept a server of these runs from starting.
    """
    rewriting = "auto-aof-rewrite-percentage"
    with testbed.store.client() as client:

        def writes() -> bool:
            return bool(client.info("persistence")["aof_last_write_status"] == "ok")

        def is_rewritten() -> bool:
            state = client.info("persistence")
            done = not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]
            return bool(done and state["aof_last_bgrewrite_status"] == "ok")

        before = client.config_get(rewriting)[rewriting]
        try:
            client.config_set(rewriting, 0)
            until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], 10, "a rewrite did not end")
            testbed.store.disk.fill()
            yield
            if writes():
                raise NoEffect("Redis could write although its disk was full")
        finally:
            testbed.store.disk.free()
            try:
                # no NoEffect: the fault had an effect, and is not over
                until(writes, 10, "Redis did not write although its disk was free", TimeoutError)
                client.bgrewriteaof()
                until(is_rewritten, 20, "Redis did not rewrite its append-only file", TimeoutError)
            finally:
                client.config_set(rewriting, before)
