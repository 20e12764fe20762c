"""Ends a process whose device hangs: no call into a library of a model may take longer than a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_INTERVAL_SECONDS = 1.0


class DeviceHung(Exception):
    """A micro-batch, or tokenizing a batch, took longer than any may."""


class Watchdog:
    """Measures the calls in progress of several threads; ``watch`` is the main function of one more thread."""

    def __init__(self, name: str, hang_seconds: float) -> None:
        """``name``: of the model, for the error."""
        self._name = name
        self._hang_seconds = hang_seconds
        self._busy: dict[int, tuple[str, float]] = {}  # thread -> what it does, and since when

    @contextmanager
    def watching(self, doing: str) -> Iterator[None]:
        """Wrap a call that may never return."""
        thread = threading.get_ident()
        self._busy[thread] = (doing, time.monotonic())
        try:
            yield
        finally:
            del self._busy[thread]

    def watch(self, stopped: threading.Event) -> None:
        """Return when ``stopped``. Raise DeviceHung when a call takes too long."""
        watched: dict[tuple[str, float], float] = {}  # a call, by when it began -> the seconds it was seen for
        looked_at = time.monotonic()
        while not stopped.wait(_INTERVAL_SECONDS):
            now = time.monotonic()
            # a process that was suspended, or whose machine slept, computed nothing meanwhile
            passed, looked_at = min(now - looked_at, 2 * _INTERVAL_SECONDS), now
            watched = {call: watched.get(call, 0.0) + passed for call in list(self._busy.values())}
            for (doing, _), seconds in watched.items():
                if seconds > self._hang_seconds:
                    raise DeviceHung(
                        f"the {self._name} model has been {doing} one batch for {self._hang_seconds:.0f} s"
                    )
