"""Retries: an outage is waited for, a bug is not."""

from __future__ import annotations

import asyncio

import pytest

from stream_app.ports import StoreUnavailable
from stream_app.retry import Retry


class Flaky:
    """Away for the first ``failures`` calls."""

    def __init__(self, failures: int) -> None:
        self.calls = 0
        self._failures = failures

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self._failures:
            raise StoreUnavailable("away")
        return "here"


def test_call_is_repeated_until_it_succeeds() -> None:
    flaky = Flaky(2)

    assert asyncio.run(Retry("redis", 60)(flaky)) == "here"
    assert flaky.calls == 3


def test_last_error_is_raised_when_patience_is_spent() -> None:
    flaky = Flaky(10**6)

    with pytest.raises(StoreUnavailable):
        asyncio.run(Retry("redis", 0.05)(flaky))
    assert flaky.calls >= 1


def test_bug_passes_through_at_once() -> None:
    calls = []

    async def bug() -> None:
        calls.append(1)
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        asyncio.run(Retry("redis", 60)(bug))
    assert len(calls) == 1
