"""Receivers of alerts that fail, hang, are away or lead elsewhere, and `notify` killed while it delivers."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

from tests.reliability.chaos.faults.table import AFTER_KILL, ended, fault, one_of, until
from tests.reliability.testbed.receivers import SHAKY, Mood
from tests.reliability.testbed.testbed import Testbed
from tests.reliability.testbed.workers import Exit

_NOTICED_SECONDS = 15.0
_STEADY_SECONDS = 8.0  # alerts of a product come 0.1 s apart; one try at the hanging receiver takes 2 s


def _receiver(what: str, mood: Mood, seconds: float) -> None:
    @fault("receiver", what, seconds, holds_up=False, steady_seconds=_STEADY_SECONDS)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        before = _failures(testbed)
        testbed.receivers.become(mood)
        try:
            yield
            until(lambda: _failures(testbed) > before, _NOTICED_SECONDS, f"no delivery to {SHAKY} failed")
        finally:
            testbed.receivers.become("takes")


_receiver("answers 500", "fails", 3.0)
_receiver("hangs", "hangs", 4.0)
_receiver("redirects to another host", "redirects", 3.0)


@fault("receiver", "away for a while", 3.0, holds_up=False, steady_seconds=_STEADY_SECONDS)
def _away(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    before = _failures(testbed)
    testbed.receivers.proxy.cut()
    try:
        yield
        until(lambda: _failures(testbed) > before, _NOTICED_SECONDS, f"no delivery to {SHAKY} failed")
    finally:
        testbed.receivers.proxy.heal()


@fault(
    "receiver",
    "notify SIGKILL in the middle of a delivery",
    1.0,
    exits=(Exit("notify", -int(signal.SIGKILL)),),
    holds_up=False,
    starts=1,
    stall_seconds=AFTER_KILL,  # hostile records in its topic wait for its successor, too
)
def _killed_while_it_delivers(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    worker = one_of(testbed, "notify", chance)
    testbed.receivers.become("hangs")
    try:
        until(lambda: testbed.receivers.hanging, _NOTICED_SECONDS, f"nothing was on its way to {SHAKY}")
        worker.signal(signal.SIGKILL)
        ended(worker)
        yield
    finally:
        testbed.receivers.become("takes")


def _failures(testbed: Testbed) -> int:
    """How often a try to deliver to SHAKY failed, by the logs of all processes."""
    logs = (testbed.folder / "logs").glob("notify-*.log")
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines() if SHAKY in line]
    return sum("delivery_failed" in line for line in lines)
