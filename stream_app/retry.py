"""Retries what an unreachable dependency refused, with growing jittered pauses, until patience is spent."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from stream_app import telemetry
from stream_app.ports import Unavailable

Value = TypeVar("Value")

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0  # a dependency that is back is found within a second


class Retry:
    """Calls something until it can be reached.

    Pauses are drawn evenly from 0 to a bound that doubles ("full jitter"), so that many workers do not come back
    in step.
    """

    def __init__(self, dependency: str, seconds: float) -> None:
        self._dependency = dependency
        self._seconds = seconds

    async def __call__(self, call: Callable[[], Awaitable[Value]]) -> Value:
        """Return the call's value once a try succeeds. Raises the last Unavailable when patience is spent.

        Any other exception passes through at once: it is a bug, not an outage.
        """
        give_up_at = time.monotonic() + self._seconds
        bound = _FIRST_PAUSE_SECONDS
        failed = False
        while True:
            try:
                value = await call()
            except Unavailable as error:  # guarantee: a-bug-is-no-outage
                failed = True
                pause = random.uniform(0, bound)  # guarantee: pauses-are-drawn
                telemetry.dependency_unavailable(self._dependency, str(error), pause)
                if time.monotonic() + pause > give_up_at:  # guarantee: unavailable-is-retried
                    raise  # guarantee: patience-ends
                bound = min(2 * bound, _LONGEST_PAUSE_SECONDS)  # guarantee: pauses-grow
                await asyncio.sleep(pause)
                continue
            if failed:
                telemetry.dependency_returned(self._dependency)
            return value
