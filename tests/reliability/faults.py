"""What is broken on purpose, by name: each injects itself, heals itself, and says whether anybody felt it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import ElectionType

from tests.reliability.bed import CREW, DEVICE_PATIENCE_SECONDS, SESSION_SECONDS, Bed, Exit, Worker

ONE_OF_EACH = "1 broker, single store"
THREE_BROKERS = "3 brokers, single store"
PAIR = "1 broker, pair store"
CLUSTER = "1 broker, cluster store"

Generator = Callable[[Bed, random.Random], Iterator[None]]
Body = Callable[[Bed, random.Random], AbstractContextManager[None]]


class NotFelt(AssertionError):
    """The fault was injected, and nobody noticed: the round proves nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``during`` is entered to inject and left to heal; it raises NotFelt where nothing was broken.

    ``seconds``: how long it lasts. ``stall_seconds``: how long, after it healed, a fresh review may take at most.
    ``holds_up``: reviews may wait for as long as it lasts; else none may wait longer than ``stall_seconds`` even then.
    ``exits``: the ends of workers that it explains. Two of one ``part`` are not combined: the second would heal or
    hide the first.
    """

    part: str
    what: str
    during: Body
    seconds: float
    stall_seconds: float = 5.0
    exits: tuple[Exit, ...] = ()
    late_firsts: bool = False
    killers: int = 0
    bed: str = ONE_OF_EACH
    needs_small_disk: bool = False
    holds_up: bool = True

    @property
    def name(self) -> str:
        return f"{self.part}: {self.what}"


FAULTS: dict[str, Fault] = {}

_AFTER_KILL = SESSION_SECONDS + 5.0  # a killed member is missed when its session ends


def fault(part: str, what: str, seconds: float, **more: Any) -> Callable[[Generator], None]:
    """Enter a generator function into the table: before its yield it injects, behind it it heals and looks.

    ``more``: the other fields of Fault.
    """

    def enter(body: Generator) -> None:
        entry = Fault(part, what, contextmanager(body), seconds, **more)
        FAULTS[entry.name] = entry

    return enter


def _until(condition: Callable[[], object], seconds: float, message: str, error: type[Exception] = NotFelt) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise error(message)
        time.sleep(0.02)


def _ended(worker: Worker, seconds: float = 25.0) -> None:
    _until(lambda: not worker.running, seconds, f"{worker.name} did not end")


def _one(bed: Bed, role: str, chance: random.Random) -> Worker:
    _until(lambda: len(bed.of(role)) >= CREW[role], 20, f"not all workers of {role} run")
    return chance.choice(bed.of(role))


# ---- workers


def _end_of_a_worker(role: str, number: signal.Signals) -> None:
    killed = number is signal.SIGKILL
    code = -int(number) if killed else 0

    @fault(
        "worker",
        f"{role} {number.name}",
        1.0,
        stall_seconds=_AFTER_KILL if killed else 10.0,
        exits=(Exit(role, code),),
        holds_up=False,
    )
    def body(bed: Bed, chance: random.Random) -> Iterator[None]:
        worker = _one(bed, role, chance)
        if not killed:  # one that has hardly begun is ended by SIGTERM itself: exit code -15
            _until(lambda: bed.is_ready(worker) or not worker.running, 20, f"{worker.name} was not ready")
        worker.signal(number)
        _ended(worker)
        yield


for _role in CREW:
    _end_of_a_worker(_role, signal.SIGTERM)
    _end_of_a_worker(_role, signal.SIGKILL)


def _zombie(role: str) -> None:
    @fault("worker", f"{role} stopped for longer than its session", SESSION_SECONDS + 2.5, late_firsts=True)
    def body(bed: Bed, chance: random.Random) -> Iterator[None]:
        worker = _one(bed, role, chance)
        _until(lambda: bed.is_ready(worker), 20, f"{worker.name} was not ready")
        before = len(worker.log_text())
        worker.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            worker.signal(signal.SIGCONT)
        _until(
            lambda: "partitions_assigned" in worker.log_text()[before:] or not worker.running,
            20,
            f"{worker.name} woke up and was not given partitions anew: it never lost them",
        )


_zombie("enrich")
_zombie("summarize")


def _joins(role: str) -> None:
    @fault(
        "worker", f"another {role} joins and leaves", 3.0, stall_seconds=10.0, exits=(Exit(role, 0),), holds_up=False
    )
    def body(bed: Bed, chance: random.Random) -> Iterator[None]:
        with bed.another(role) as worker:
            _until(lambda: bed.is_ready(worker), 20, f"{worker.name} never got ready")
            yield


_joins("enrich")
_joins("summarize")


@fault("worker", "rolling restart of three enrich", 0.5, stall_seconds=10.0, exits=(Exit("enrich", 0),), holds_up=False)
def _rolling(bed: Bed, chance: random.Random) -> Iterator[None]:
    with bed.another("enrich") as third:
        _until(lambda: bed.is_ready(third), 20, f"{third.name} never got ready")
        for worker in [one for one in bed.of("enrich") if one is not third]:
            worker.signal(signal.SIGTERM)
            _ended(worker)
            _until(
                lambda: len(bed.of("enrich")) == 3 and all(map(bed.is_ready, bed.of("enrich"))),
                20,
                "the successor never got ready",
            )
        yield


# ---- models


def _trouble(name: str, seconds: float, *exits: Exit, stall_seconds: float = 5.0) -> None:
    @fault("model", name, seconds, stall_seconds=stall_seconds, exits=exits)
    def body(bed: Bed, chance: random.Random) -> Iterator[None]:
        bed.troubles.felt(name)
        bed.troubles.begin(name)
        try:
            yield
        finally:
            bed.troubles.end(name)
        if not bed.troubles.felt(name):
            raise NotFelt(f"no worker met the model's trouble {name!r}")


_trouble("raises on batches", 3.0)
_trouble("memory is full", 3.0)
_trouble("hangs", DEVICE_PATIENCE_SECONDS + 2.5, Exit("enrich", 1), stall_seconds=_AFTER_KILL)
_trouble("broken", 3.0, Exit("enrich", 1), stall_seconds=_AFTER_KILL)


@fault(
    "model",
    "a review that kills the worker",
    1.0,
    stall_seconds=4 * _AFTER_KILL,
    exits=(Exit("enrich", -int(signal.SIGKILL)),),
    killers=1,
)
def _killer(bed: Bed, chance: random.Random) -> Iterator[None]:
    deaths = len(bed.exits)
    _until(lambda: len(bed.exits) > deaths, 20, "the review killed nobody")
    yield


# ---- Redis


@fault("redis", "stopped and started", 2.0)
def _redis_stop(bed: Bed, chance: random.Random) -> Iterator[None]:
    bed.store.server.stop()
    try:
        yield
    finally:
        bed.store.server.start()


@fault("redis", "SIGKILL", 1.0)
def _redis_kill(bed: Bed, chance: random.Random) -> Iterator[None]:
    bed.store.server.kill()
    try:
        yield
    finally:
        bed.store.server.start()


@fault("redis", "slow", 4.0)
def _redis_slow(bed: Bed, chance: random.Random) -> Iterator[None]:
    before = bed.store.proxy.faults_seen.delayed
    bed.store.proxy.delay(chance.choice([0.05, 0.3, 1.0]))
    try:
        yield
    finally:
        bed.store.proxy.heal()
    if bed.store.proxy.faults_seen.delayed == before:
        raise NotFelt("nothing was delayed on the way to Redis")


@fault("redis", "full", 3.0)
def _redis_full(bed: Bed, chance: random.Random) -> Iterator[None]:
    with bed.store.client() as client:
        refused = _refused(client.info("errorstats"))
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)
        if _refused(client.info("errorstats")) == refused:
            raise NotFelt("Redis refused nobody for want of memory")


def _refused(errors: dict[str, dict[str, int]]) -> int:
    return int(errors.get("errorstat_OOM", {}).get("count", 0))


@fault("redis", "scripts flushed", 2.0)
def _redis_scripts(bed: Bed, chance: random.Random) -> Iterator[None]:
    with bed.store.client() as client:
        client.script_flush()
        yield
        client.script_flush()
        _until(
            lambda: "errorstat_NOSCRIPT" in client.info("errorstats"), 5, "no script was missed after it was forgotten"
        )


def _network(name: str, inject: str, seconds: float, to: str) -> None:
    # a peer that vanished without a word is noticed by the clients' own time-outs only
    @fault(to, f"network {name}", seconds, stall_seconds=8.0 if inject == "blackhole" else 5.0)
    def body(bed: Bed, chance: random.Random) -> Iterator[None]:
        proxies = [bed.store.proxy] if to == "redis" else bed.kafka_proxies
        before = sum(proxy.faults_seen.total for proxy in proxies)
        with ExitStack() as healed:
            for proxy in proxies:
                healed.callback(proxy.heal)
                getattr(proxy, inject)()
            yield
        if sum(proxy.faults_seen.total for proxy in proxies) == before:
            raise NotFelt(f"nobody met the cut network to {to}")


for _to in ("redis", "kafka"):
    _network("cut", "cut", 2.0, _to)
    _network("silent", "blackhole", 4.0, _to)


# ---- Kafka


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
    topic = bed.topics.reviews
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


# ---- pairs and clusters


def _fails_over(name: str, bed_name: str, lose_seconds: float) -> None:
    """With ``lose_seconds`` Redis forgets what it acknowledged so long before: less than the time to settle."""

    @fault("redis", name, 2.0, bed=bed_name)
    def body(bed: Bed, chance: random.Random) -> Iterator[None]:
        if bed_name == PAIR:
            done = bed.store.fail_over(lose_seconds=lose_seconds)
        else:
            done = bed.store.kill_master(chance.randrange(3), lose_seconds=lose_seconds)
        try:
            yield
        finally:
            bed.store.start_old_as_replica() if bed_name == PAIR else bed.store.restart_dead()
        if lose_seconds and not done.lost_bytes:
            raise NotFelt("the new primary had everything: nothing was forgotten")


_fails_over("a replica promoted", PAIR, 0.0)
_fails_over("a replica promoted that lacks the last second", PAIR, 1.0)
_fails_over("a cluster's master killed", CLUSTER, 0.0)
_fails_over("a cluster's master killed with its last second", CLUSTER, 1.0)


# ---- disks


@fault("redis", "disk full", 3.0, needs_small_disk=True)
def _redis_disk(bed: Bed, chance: random.Random) -> Iterator[None]:
    """No rewrite of the append-only file begins meanwhile: one that meets half a write may leave a file that cannot be
    loaded (valkey-io/valkey#2627, a mend that was open in 2026). Most likely that once kept a server from starting.
    """
    rewriting = "auto-aof-rewrite-percentage"
    with bed.store.client() as client:

        def writes() -> bool:
            return bool(client.info("persistence")["aof_last_write_status"] == "ok")

        before = client.config_get(rewriting)[rewriting]
        try:
            client.config_set(rewriting, 0)
            _until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], 10, "a rewrite did not end")
            bed.store.disk.fill()
            yield
            if writes():
                raise NotFelt("Redis could write although its disk was full")
        finally:
            bed.store.disk.free()
            try:
                # no NotFelt: the fault was felt, and is not over
                _until(writes, 10, "Redis did not write although its disk was free", TimeoutError)
            finally:
                client.config_set(rewriting, before)


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


# ---- clocks


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
