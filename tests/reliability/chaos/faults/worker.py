"""Workers that end, stand still, join and leave."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

from tests.reliability.chaos.faults.table import AFTER_KILL, ended, fault, one_of, until
from tests.reliability.testbed.testbed import SESSION_SECONDS, Testbed
from tests.reliability.testbed.workers import Exit

_AFTER_END = 5.0  # one that ended leaves its group at once


def _end_of_a_worker(role: str, number: signal.Signals) -> None:
    killed = number is signal.SIGKILL
    code = -int(number) if killed else 0

    @fault(
        "worker",
        f"{role} {number.name}",
        1.0,
        stall_seconds=AFTER_KILL if killed else _AFTER_END,
        starts=1,
        exits=(Exit(role, code),),
        holds_up=False,
    )
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        worker = one_of(testbed, role, chance)
        if not killed:  # one that has hardly begun is ended by SIGTERM itself: exit code -15
            until(lambda: testbed.is_ready(worker) or not worker.running, 20, f"{worker.name} was not ready")
        worker.signal(number)
        ended(worker)
        yield


for _role in ("enrich", "summarize", "notify"):
    _end_of_a_worker(_role, signal.SIGTERM)
    _end_of_a_worker(_role, signal.SIGKILL)


def _zombie(role: str) -> None:
    @fault("worker", f"{role} stopped for longer than its session", SESSION_SECONDS + 2.5, late_firsts=True)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        worker = one_of(testbed, role, chance)
        until(lambda: testbed.is_ready(worker), 20, f"{worker.name} was not ready")
        before = len(worker.log_text())
        worker.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            worker.signal(signal.SIGCONT)
        until(
            lambda: "partitions_assigned" in worker.log_text()[before:] or not worker.running,
            20,
            f"{worker.name} woke up and was not assigned partitions again: it never lost them",
        )


_zombie("enrich")
_zombie("summarize")


def _joins(role: str) -> None:
    @fault(
        "worker",
        f"another {role} joins and leaves",
        3.0,
        stall_seconds=_AFTER_END,
        starts=1,
        exits=(Exit(role, 0),),
        holds_up=False,
    )
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        with testbed.another(role) as worker:
            until(lambda: testbed.is_ready(worker), 20, f"{worker.name} never got ready")
            yield


_joins("enrich")
_joins("summarize")


@fault(
    "worker",
    "rolling restart of three enrich",
    0.5,
    stall_seconds=_AFTER_END,
    starts=1,
    exits=(Exit("enrich", 0),),
    holds_up=False,
)
def _rolling(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    with testbed.another("enrich") as third:
        until(lambda: testbed.is_ready(third), 20, f"{third.name} never got ready")
        for worker in [one for one in testbed.of("enrich") if one is not third]:
            worker.signal(signal.SIGTERM)
            ended(worker)
            until(
                lambda: len(testbed.of("enrich")) == 3 and all(map(testbed.is_ready, testbed.of("enrich"))),
                20,
                "the successor never got ready",
            )
        yield
