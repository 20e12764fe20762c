"""The state of operations, as the page asks for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from stream_app.api.app import create_app
from stream_app.api.operations import Operations
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import NOW_MS
from tests.waiting import wait_until_async

PART = {"part": "enrich", "words": "1 worker", "next_step": "", "facts": {"lag_records": 3}, "ok": True}


class Looks:
    """Counts how often it is asked; ``error``: raised by the next look."""

    def __init__(self) -> None:
        self.number = 0
        self.error: Exception | None = None
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self) -> Sequence[dict[str, Any]]:
        self.number += 1
        self.may_end.wait(10)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return [PART]


def test_parts_are_answered_as_they_were_found_and_none_where_it_is_off() -> None:
    async def ask(operations: Operations | None) -> Any:
        app = create_app(CannedSummaryReader(), now_ms=lambda: NOW_MS, operations=operations)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return (await client.get("/v1/operations")).json()

    assert asyncio.run(ask(Operations(Looks()))) == {"parts": [PART]}
    assert asyncio.run(ask(None)) == {"parts": []}


def test_all_who_ask_share_one_look_and_what_it_found_is_kept() -> None:
    async def ask() -> int:
        looks = Looks()
        looks.may_end.clear()
        operations = Operations(looks)
        asking = [asyncio.create_task(operations.parts()) for _ in range(5)]
        await asyncio.sleep(0)
        looks.may_end.set()
        assert [await one for one in asking] == [[PART]] * 5
        await operations.parts()
        return looks.number

    assert asyncio.run(ask()) == 1


def test_old_findings_are_looked_for_again_and_an_error_is_not_kept() -> None:
    async def ask() -> int:
        looks = Looks()
        operations = Operations(looks, kept_seconds=0)
        await operations.parts()
        looks.error = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            await operations.parts()
        assert await operations.parts() == [PART]
        return looks.number

    assert asyncio.run(ask()) == 3


def test_process_that_stops_waits_for_no_look_and_begins_none() -> None:
    async def ask() -> list[int]:
        looks = Looks()
        looks.may_end.clear()
        app = create_app(CannedSummaryReader(), now_ms=lambda: NOW_MS, operations=(operations := Operations(looks)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            waiting = asyncio.create_task(client.get("/v1/operations"))
            await wait_until_async(lambda: looks.number == 1, 10, "it looks")
            operations.give_up()
            codes = [(await waiting).status_code, (await client.get("/v1/operations")).status_code]
        looks.may_end.set()
        return [*codes, looks.number]

    assert asyncio.run(ask()) == [503, 503, 1]
