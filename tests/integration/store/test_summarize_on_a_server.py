"""`summarize` on a server that is killed and restarts without its last writes."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest
from redis import Redis

from stream_app import contract
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import ViewLost
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.store.summaries import RedisSummaryStore
from stream_app.testing.kafka import FakeAcks, FakePublisher, in_flight_of
from tests.behaviour.enriched import NOW_MS, enriched
from tests.integration.store.conftest import begin
from tests.waiting import wait_until_async

pytestmark = pytest.mark.store


def _append_only_files(folder: Path) -> Path:
    [found] = folder.glob("**/appendonlydir")
    return found


async def _begun(settings: Settings) -> RedisSummaryStore:
    """A store whose view is begun, as it is when `summarize` starts."""
    await begin(settings)
    return RedisSummaryStore.from_settings(settings)


async def _counted(store: RedisSummaryStore) -> int:
    [summary] = await store.read(["p"], NOW_MS)
    return summary.windows["all"].reviews if summary else 0


def test_what_a_killed_server_forgot_is_applied_again_before_it_is_acknowledged(
    fresh_valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    """The append-only file is written every second: what is younger is lost when the machine dies."""

    async def scenario() -> None:
        settings = Settings(_env_file=None, redis=fresh_valkey.url, generation=1, redis_settle_seconds=2.0)
        store, acks = await _begun(settings), FakeAcks()
        errors: list[BaseException] = []
        fresh_valkey.stop()
        before = shutil.copytree(_append_only_files(tmp_path), tmp_path / "before")
        fresh_valkey.start()
        role = Summarize(settings, store, FakePublisher(), now_ms=lambda: NOW_MS, fatal=errors.append)
        await role.start(acks)
        for offset in range(2):
            value = contract.encode_enriched(enriched(f"r{offset}"))
            await role.take([in_flight_of(value, offset, topic="reviews.enriched")])
        assert await _counted(store) == 2
        young_until = time.monotonic() + 0.8
        await wait_until_async(lambda: time.monotonic() > young_until, 5, "they begin to settle")

        fresh_valkey.kill()
        files = _append_only_files(tmp_path / "valkey")
        shutil.rmtree(files)
        shutil.copytree(before, files)
        fresh_valkey.start()
        assert acks.calls == [], "nothing was acknowledged yet"
        assert await _counted(store) == 0, "it forgot all that was applied"

        await wait_until_async(acks.finished, 20, "they settle")
        assert await _counted(store) == 2, "what is acknowledged stands in the view"
        await wait_until_async(lambda: acks.finished() == [0, 1], 20, "both settle")
        await role.stop()
        assert errors == []

    asyncio.run(scenario())


def test_server_that_comes_back_empty_ends_the_role_with_nothing_acknowledged(fresh_valkey: EmbeddedValkey) -> None:
    """What was acknowledged long ago would not come again: the view would count from zero, and say nothing."""

    async def scenario() -> None:
        settings = Settings(_env_file=None, redis=fresh_valkey.url, generation=1, redis_settle_seconds=1.0)
        store, acks, errors = await _begun(settings), FakeAcks(), list[BaseException]()
        role = Summarize(settings, store, FakePublisher(), now_ms=lambda: NOW_MS, fatal=errors.append)
        await role.start(acks)
        await role.take([in_flight_of(contract.encode_enriched(enriched("r0")), 0, topic="reviews.enriched")])
        with Redis.from_url(fresh_valkey.url) as client:
            client.flushall()

        with pytest.raises(ViewLost, match="stream-app rebuild"):
            await role.take([in_flight_of(contract.encode_enriched(enriched("r1")), 1, topic="reviews.enriched")])
        assert await _counted(store) == 0, "nothing was applied"
        await wait_until_async(lambda: errors, 20, "what is unsettled is looked at")
        assert [type(error) for error in errors] == [ViewLost]
        assert acks.calls == []
        await role.stop()

    asyncio.run(scenario())


def test_server_that_is_away_for_a_while_costs_nothing_but_time(fresh_valkey: EmbeddedValkey) -> None:
    async def scenario() -> None:
        settings = Settings(_env_file=None, redis=fresh_valkey.url, generation=1, redis_settle_seconds=0.0)
        store, acks = await _begun(settings), FakeAcks()
        errors: list[BaseException] = []
        role = Summarize(settings, store, FakePublisher(), now_ms=lambda: NOW_MS, fatal=errors.append)
        await role.start(acks)
        fresh_valkey.stop()
        value = contract.encode_enriched(enriched("r0"))
        taking = asyncio.create_task(role.take([in_flight_of(value, 0, topic="reviews.enriched")]))
        await asyncio.wait([taking], timeout=1.0)
        assert (taking.done(), acks.calls) == (False, []), "it waits, and acknowledges nothing"

        fresh_valkey.start()
        await asyncio.wait_for(taking, 20)
        await wait_until_async(lambda: acks.finished() == [0], 20, "it settles")
        assert await _counted(store) == 1
        await role.stop()
        assert errors == []

    asyncio.run(scenario())
