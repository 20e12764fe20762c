"""Redis Sentinels name the primary: the view is written through a fail-over without a changed setting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from stream_app.embedded.free_port import free_port
from stream_app.embedded.server_process import ServerProcess, start_server
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.settings import Settings
from stream_app.store.clients import Sentinels
from stream_app.store.server import Server
from tests.conftest import _valkey
from tests.waiting import wait_until

PASSWORD = "of the sentinels"
PRIMARY = "shop-view"


class Watched:
    """A primary, its replica and the Sentinel that watches both."""

    def __init__(self, folder: Path) -> None:
        self.primary = _valkey(folder / "primary")
        self.primary.start()
        self.replica = EmbeddedValkey(
            folder / "replica",
            port=0,
            binary=self.primary._binary,
            options={"replicaof": f"127.0.0.1 {self.primary.port}", "repl-diskless-sync-delay": 0},
        )
        self.replica.start()
        self.sentinel_port = free_port(0, "a Sentinel", print)
        self.sentinel = self._start_sentinel(folder / "sentinel")
        with Redis(port=self.replica.port) as replica:
            wait_until(lambda: replica.info()["master_link_status"] == "up", 20, "the replica does not follow")
        with Redis(port=self.sentinel_port, password=PASSWORD) as sentinel:
            wait_until(lambda: len(sentinel.sentinel_slaves(PRIMARY)) == 1, 20, "the Sentinel knows no replica")

    def _start_sentinel(self, folder: Path) -> ServerProcess:
        folder.mkdir()
        (folder / "sentinel.conf").write_text(
            f'bind 127.0.0.1\nport {self.sentinel_port}\nrequirepass "{PASSWORD}"\n'
            f"sentinel monitor {PRIMARY} 127.0.0.1 {self.primary.port} 1\n"
            f"sentinel down-after-milliseconds {PRIMARY} 500\nsentinel failover-timeout {PRIMARY} 3000\n"
        )
        command = [str(self.primary._binary), str(folder / "sentinel.conf"), "--sentinel"]
        return start_server(command, folder, f"127.0.0.1:{self.sentinel_port}", detached=False)

    def stop(self) -> None:
        self.sentinel.stop(5.0)
        self.replica.stop()
        self.primary.stop()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    servers = Watched(tmp_path)
    yield servers
    servers.stop()


def settings(watched: Watched) -> Settings:
    return Settings(
        _env_file=None,
        redis="redis://anything:1/0",  # host and port are the Sentinels' to say
        redis_sentinels=f"127.0.0.1:1, 127.0.0.1:{watched.sentinel_port}",  # the first one is down
        redis_sentinel_primary=PRIMARY,
        redis_sentinel_password=PASSWORD,
    )


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


def test_writes_follow_the_primary_that_the_sentinels_name(watched: Watched) -> None:
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


def test_primary_that_no_sentinel_knows_is_away_and_not_a_crash(watched: Watched) -> None:
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
