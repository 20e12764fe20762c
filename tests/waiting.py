"""Waiting for a condition instead of sleeping for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
_POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], Value], timeout: float, message: str) -> Value:
    """The first true value of `condition()`; fails with `message` when there is none within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {message}")
        time.sleep(_POLL_SECONDS)
    return value


async def wait_until_async(
    condition: Callable[[], Value] | Callable[[], Awaitable[Value]],
    timeout: float,
    message: str,
) -> Value:
    """The same for code on an event loop; `condition` may be a plain or an async function."""
    deadline = time.monotonic() + timeout
    while True:
        outcome = condition()
        value = await outcome if isinstance(outcome, Awaitable) else outcome
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {message}")
        await asyncio.sleep(_POLL_SECONDS)
