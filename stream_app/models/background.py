"""Threads that yield to the others of their process: T5's, where no review waits for it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")

THREADS_CAN_YIELD = sys.platform == "linux"
"""Only there each thread has a priority, which the threads that it starts inherit."""

_NICER = 10
"""Next to a thread of the usual niceness one of 10 more gets a tenth of a core, as long as both compute (sched(7)). One
of 19 gets 1.5 %: where many compute, a micro-batch would last long enough to look hung.
"""
_NICEST = 19


def in_background(make: Callable[[], Made]) -> Made:
    """Call ``make``, so that the threads it starts yield to the others of this process, and of its control group.
    Any thread; blocks until it is made. Where THREADS_CAN_YIELD.

    For threads of a library that never hold Python's lock: one that does holds up all others of the process while it
    waits for its turn.
    """

    def work() -> Made:
        me = threading.get_native_id()
        nicer = min(_NICEST, os.getpriority(os.PRIO_PROCESS, me) + _NICER)  # the whole process may be nice already
        os.setpriority(os.PRIO_PROCESS, me, nicer)
        return make()

    with ThreadPoolExecutor(1, "background") as pool:
        return pool.submit(work).result()
