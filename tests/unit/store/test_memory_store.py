"""What only the store in memory can do: be switched off, and hold alerts that wait for publication."""

from __future__ import annotations

import asyncio

import pytest

from stream_app.ports import StoreUnavailable
from stream_app.testing.store import MemorySummaryStore
from tests.behaviour.enriched import NOW_MS, enriched


def test_switched_off_store_is_unavailable_and_keeps_what_it_holds() -> None:
    async def scenario() -> None:
        store = MemorySummaryStore()
        await store.apply([enriched()], NOW_MS)
        store.away = True
        with pytest.raises(StoreUnavailable):
            await store.apply([enriched("r2")], NOW_MS)
        store.away = False
        [summary] = await store.read(["p"], NOW_MS)
        assert summary is not None
        assert summary.windows["all"].reviews == 1

    asyncio.run(scenario())


def test_restart_changes_the_server_identity() -> None:
    async def scenario() -> None:
        store = MemorySummaryStore()
        before = await store.server_identity()
        store.starts += 1
        assert await store.server_identity() != before

    asyncio.run(scenario())


def test_outbox_is_returned_with_duplicates_until_it_is_cleared() -> None:
    async def scenario() -> None:
        store = MemorySummaryStore()
        await store.apply([enriched()], NOW_MS)
        store.outboxes["p"] = {"a1": b"{}"}
        [duplicate] = await store.apply([enriched()], NOW_MS)
        assert (duplicate.changed, duplicate.outbox) == (False, (("a1", b"{}"),))
        await store.clear_outbox("p", ["a1"])
        [duplicate] = await store.apply([enriched()], NOW_MS)
        assert duplicate.outbox == ()

    asyncio.run(scenario())
