"""Threads that yield to all others: T5's, where nobody waits for it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")

_NICE = 10
"""Beside a thread of usual priority one of 10 gets a tenth of a core, as long as both compute (setpriority(2),
sched(7)). One of 19 gets 1.5 %: beside a machine's other work a run would last long enough to look hung.
"""


def in_background(make: Callable[[], Made]) -> Made:
    """What ``make`` makes; the threads that it starts yield to all others. Any thread; blocks until it is made.

    On Linux alone a thread has a priority of its own, which those that it starts inherit. For threads of a library that
    never hold Python's lock: one that does holds up all others of the process while it waits for its turn.
    """

    def work() -> Made:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        return make()

    with ThreadPoolExecutor(1, "background") as pool:
        return pool.submit(work).result()
