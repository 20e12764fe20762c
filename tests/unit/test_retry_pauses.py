"""How long a retry waits: longer and longer, up to a bound, and never in step with others."""

from __future__ import annotations

import asyncio
import random

import pytest

from stream_app import telemetry
from stream_app.ports import StoreUnavailable
from stream_app.retry import Retry

_TRIES = 20


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are announced; the test does not wait."""
    announced: list[float] = []
    real_sleep = asyncio.sleep
    monkeypatch.setattr(telemetry, "dependency_unavailable", lambda _, __, seconds: announced.append(seconds))
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: real_sleep(0))
    random.seed(1)
    return announced


def call_twenty_times() -> None:
    left = [StoreUnavailable("away")] * _TRIES

    async def call() -> None:
        if left:
            raise left.pop()

    asyncio.run(Retry("redis", 1000)(call))


def test_pauses_grow_to_a_second_and_no_further(pauses: list[float]) -> None:
    call_twenty_times()
    assert len(pauses) == _TRIES
    assert pauses[0] <= 0.1
    assert 0.5 < max(pauses) <= 1.0


def test_two_workers_do_not_come_back_in_step(pauses: list[float]) -> None:
    call_twenty_times()
    call_twenty_times()
    assert not set(pauses[:_TRIES]) & set(pauses[_TRIES:])
    assert len(set(pauses)) == 2 * _TRIES
