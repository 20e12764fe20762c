"""Redis Sentinels name the primary: the view is written through a fail-over without a changed setting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.settings import Settings
from stream_app.store.clients import Sentinels
from stream_app.store.server import Server
from tests.reliability.testbed.sentinel import SentinelPair


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[SentinelPair]:
    with SentinelPair(tmp_path) as servers:
        yield servers


def settings(watched: SentinelPair) -> Settings:
    return Settings(_env_file=None, redis=watched.url, **watched.settings_of_workers)


async def write_in_time(server: Server, value: str) -> float:
    """Write, as a role does: again while the store is away. Seconds that it took."""
    began = time.monotonic()
    while True:
        try:
            await server.run([("SET", "key", value)])
            return time.monotonic() - began
        except StoreUnavailable:
            assert time.monotonic() - began < 30, "no write got through after the fail-over"
            await asyncio.sleep(0.1)


def test_writes_follow_the_primary_that_the_sentinels_name(watched: SentinelPair) -> None:
    async def scenario() -> None:
        server = Server.from_settings(settings(watched), [])
        await server.run([("SET", "key", "before")])
        identity = await server.server_identity()
        watched.primary.kill()
        await write_in_time(server, "after")
        assert await server.server_identity() != identity
        await server.close()

    asyncio.run(scenario())
    with Redis(port=watched.replica.port) as new_primary:
        assert new_primary.get("key") == b"after"


def test_a_sentinel_that_is_away_delays_nothing(watched: SentinelPair) -> None:
    """The first that the settings name is down. redis-py's own tries of it took 3 to 5 s, at each fail-over."""

    async def scenario() -> None:
        server = Server.from_settings(settings(watched), [])
        began = time.monotonic()
        await server.run([("SET", "key", "before")])
        assert time.monotonic() - began < 1.5
        await asyncio.to_thread(watched.fail_over)
        assert await write_in_time(server, "after") < 1.5
        await server.close()

    asyncio.run(scenario())


def test_primary_that_no_sentinel_knows_is_away_and_not_a_crash(watched: SentinelPair) -> None:
    async def scenario() -> None:
        chosen = settings(watched).model_copy(update={"redis_sentinel_primary": "unheard-of"})
        server = Server.from_settings(chosen, [])
        with pytest.raises(StoreUnavailable, match="unheard-of"):
            await server.run([("PING",)])
        await server.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("wrong", ["localhost", "localhost:", ":26379", "host:port"])
def test_sentinel_without_host_or_port_names_the_setting(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="STREAM_APP_REDIS_SENTINELS"):
        Sentinels.from_settings(Settings(_env_file=None, redis_sentinels=wrong))


def test_sentinels_and_a_cluster_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="STREAM_APP_REDIS_CLUSTER"):
        Sentinels.from_settings(Settings(_env_file=None, redis_sentinels="a:26379", redis_cluster=True))
