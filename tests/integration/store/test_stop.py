"""A process stops while Redis fails: what it had claimed is given back, and no close waits for long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr
from redis.exceptions import TimeoutError as RedisTimeoutError

from stream_app.ports import StoreUnavailable
from stream_app.settings import Settings
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import NOW_MS, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import Opener

pytestmark = pytest.mark.store
LEASE_MS = 30_000


@pytest.fixture
def store(valkey: str, open_store: Opener, generation: int) -> RedisSummaryStore:
    return open_store(valkey, generation=generation)


def claim(run: Run, store: RedisSummaryStore) -> list[str]:
    return [one.product_id for one in run(store.claim_due(NOW_MS, 10, 0, LEASE_MS))]


@pytest.mark.parametrize(("finishes", "round_trip"), [(False, 1), (False, 2), (False, 3), (True, 0), (True, 1)])
def test_what_was_claimed_is_given_back_wherever_redis_was_away(
    run: Run,
    store: RedisSummaryStore,
    valkey: str,
    open_store: Opener,
    generation: int,
    monkeypatch: pytest.MonkeyPatch,
    finishes: bool,
    round_trip: int,
) -> None:
    """In the middle of a claim, or of its end."""
    run(store.apply([enriched()], NOW_MS))
    if finishes:
        assert claim(run, store) == ["p"]
    usual, made = store._server.run, iter(range(10))

    async def away_once(commands: Any) -> Any:
        if next(made) == round_trip:
            raise StoreUnavailable("away")
        return await usual(commands)

    monkeypatch.setattr(store._server, "run", away_once)
    again = store.finish_due({"p": None}, NOW_MS) if finishes else store.claim_due(NOW_MS, 10, 0, LEASE_MS)
    with pytest.raises(StoreUnavailable):
        run(again)
    run(store.give_back_due(NOW_MS))
    assert claim(run, open_store(valkey, generation=generation)) == ["p"]


def test_server_that_does_not_answer_holds_no_close_up(run: Run, valkey: str) -> None:
    """Over TLS redis-py waits for the server's last word, and raises."""

    class Silent:
        async def aclose(self) -> None:
            await asyncio.Event().wait()

    class Broken:
        async def aclose(self) -> None:
            raise RedisTimeoutError("Timeout closing the connection")

    async def close(client: Any) -> None:
        store = RedisSummaryStore.from_settings(Settings(_env_file=None, redis=SecretStr(valkey), generation=1))
        await store.close()
        store._server._client = client
        async with asyncio.timeout(5):
            await store.close()

    run(close(Silent()))
    run(close(Broken()))
