"""The connection to Redis, Valkey or a cluster of them: pipelines, scripts and checks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any

from redis import exceptions
from redis.asyncio import RedisCluster

from stream_app import telemetry
from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.settings import RedisSettings, masked_url
from stream_app.store.clients import TIMEOUT_SECONDS, Sentinels, named_by, single_server
from stream_app.store.server_errors import code_and_text, translated

Command = tuple[Any, ...]


_OLDEST_VERSION = (6, 2)
_SCAN_COUNT = 1000
_CLOSE_SECONDS = 0.5


class Script:
    """A Lua script of this package. Every one may be run again: the same arguments change nothing more."""

    def __init__(self, name: str, *functions: str) -> None:
        """``functions``: the files of functions that stand in front of it."""
        folder = files("stream_app.store")
        self.source = b"".join(folder.joinpath(f"{one}.lua").read_bytes() for one in (*functions, name))
        self._sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Command:
        """The command that runs it."""
        return ("EVALSHA", self._sha, len(keys), *keys, *arguments)


class Server:
    """Raises StoreUnavailable when it is away, ConfigurationError when it refuses us; anything else is a bug."""

    def __init__(
        self, url: str, scripts: Sequence[Script], *, cluster: bool = False, sentinels: Sentinels | None = None
    ) -> None:
        """``sentinels`` name the server of the ``url``, whose host and port count for nothing then."""
        self._scripts = scripts
        self._cluster = cluster
        self._warned: set[Callable[[], None]] = set()
        common: dict[str, Any] = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "health_check_interval": 30,
            "protocol": 2,  # the shape of raw replies must not depend on the client's default
        }
        try:
            if sentinels:
                self._client: Any = named_by(sentinels, url, common)
            else:
                self._client = RedisCluster.from_url(url, **common) if cluster else single_server(url, common)
        except (ValueError, exceptions.RedisClusterException):
            # without the cause, in which parts of the password may stand
            raise ConfigurationError(
                f"The Redis URL {masked_url(url)} is not usable. Set it as redis://host:port/0 (rediss:// for TLS), "
                "with user and password percent-encoded."
            ) from None

    @classmethod
    def from_settings(cls, settings: RedisSettings, scripts: Sequence[Script]) -> Server:
        """Connects at the first command."""
        return cls(
            settings.redis.get_secret_value(),
            scripts,
            cluster=settings.redis_cluster,
            sentinels=Sentinels.from_settings(settings),
        )

    @property
    def is_cluster(self) -> bool:
        """Are there several nodes, each with its own products?"""
        return self._cluster

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """One reply per command, in one round trip (per node of a cluster).

        Commands on keys of one node run in the order given. Where the server has forgotten a script, it is loaded
        and only the commands that missed it run again.
        """
        if not commands:
            return []
        with translated():
            replies = await self._send(commands)
            missed = [i for i, reply in enumerate(replies) if isinstance(reply, exceptions.NoScriptError)]
            if missed:
                for script in self._scripts:
                    await self._client.script_load(script.source)
                # guarantee: only-what-missed-its-script-runs-again
                again = await self._send([commands[i] for i in missed])
                for i, reply in zip(missed, again, strict=True):  # guarantee: only-what-missed-its-script-runs-again
                    replies[i] = reply
            for reply in replies:
                if isinstance(reply, Exception):
                    if isinstance(reply, exceptions.ReadOnlyError) or code_and_text(reply).startswith("READONLY"):
                        await self._look_for_primaries()
                    raise reply
        return replies

    async def keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """Pages of keys that match a glob pattern, of every primary; a key that stays meanwhile is among them."""
        nodes: list[Any] = [None]
        if self._cluster:
            with translated():
                await self._client.initialize()
            nodes = self._client.get_primaries()
        for node in nodes:
            where = {} if node is None else {"target_nodes": node}
            cursor: Any = 0
            while True:
                with translated():
                    cursor, page = await self._client.scan(cursor, match=pattern, count=_SCAN_COUNT, **where)
                if isinstance(cursor, dict):  # of a cluster: {node's name: cursor}
                    [cursor] = cursor.values()
                if page:
                    yield page
                if not int(cursor):
                    break

    async def infos(self, *sections: str) -> list[dict[str, Any]]:
        """INFO of every primary, in a stable order; of a single server these sections alone, where any are named."""
        return (await self._infos(sections, ()))[0]

    async def _infos(
        self, sections: Sequence[str], along_with: Sequence[Command]
    ) -> tuple[list[dict[str, Any]], list[Any]]:
        """INFO, and the replies to commands ``along_with`` it in the same round trip (of a cluster: concurrently)."""
        if not self._cluster:
            asked: list[Command] = [("INFO", section) for section in sections] or [("INFO",)]
            replies = await self.run([*asked, *along_with])
            parts, others = replies[: len(asked)], replies[len(asked) :]
            return [{name: fact for part in parts for name, fact in part.items()}], others
        infos, others = await asyncio.gather(self._infos_of_primaries(), self.run(along_with))
        return infos, others

    async def _infos_of_primaries(self) -> list[dict[str, Any]]:
        with translated():  # all at once: who is a primary may change between two calls
            by_node = await self._client.info(target_nodes=RedisCluster.PRIMARIES)
        if "run_id" in by_node:  # a cluster of one primary answers without the node's name
            return [by_node]
        return [info for _, info in sorted(by_node.items())]

    async def server_identity(self, *, along_with: Sequence[Command] = ()) -> tuple[str, list[Any]]:
        """Names the servers that hold the data, and the history of each: changes whenever writes may have been lost.

        By a restart (another run_id); by a fail-over (another server's run_id); and where a server serves again, by the
        data that it took over from another one meanwhile (another master_replid). Raises StoreUnavailable when a
        replica answers: it was a primary once, and the next call looks for the present one.
        Second: the replies to the commands ``along_with`` it, in the same round trip.
        """
        infos, others = await self._infos(("server", "replication"), along_with)  # all would be ten times as long
        if any(info.get("role") == "slave" for info in infos):
            with translated():
                await self._look_for_primaries()
            raise StoreUnavailable("Redis cannot be used now: a replica answers, its primary is another server by now")
        # guarantee: server_identity-changes-with-a-restart
        return " ".join(f"{info['run_id']}/{info.get('master_replid', '')}" for info in infos), others

    async def check(self) -> None:
        """Raises ConfigurationError where the server is too old or would forget keys.

        It warns once about each thing that is unsure; a role calls again while it runs, because settings may change.
        """
        for info in await self.infos():
            version = str(info.get("redis_version", "0"))
            if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_VERSION:
                raise ConfigurationError(f"Redis {version} is too old: 6.2 or later, or any Valkey, is needed.")
            policy = info.get("maxmemory_policy")
            if policy is None:
                self._warn_once(telemetry.store_policy_was_hidden)
            elif policy != "noeviction" and info.get("maxmemory", 0) != 0:  # guarantee: noeviction
                raise ConfigurationError(
                    f"Redis would forget products: maxmemory-policy is {policy}. "
                    "Run `CONFIG SET maxmemory-policy noeviction` and put it into the server's configuration."
                    + _evicted(info)
                )
            if not info.get("aof_enabled", 0):
                self._warn_once(telemetry.store_is_not_durable)

    def _warn_once(self, warn: Callable[[], None]) -> None:
        if warn not in self._warned:
            self._warned.add(warn)
            warn()

    async def close(self) -> None:
        """Close the connections. Over TLS a server that does not answer would be waited for."""
        with suppress(exceptions.RedisError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):  # guarantee: silent-server-is-closed
                await self._client.aclose()

    async def _look_for_primaries(self) -> None:
        """A former primary answers: drop the connections, its name may lead to the new one already."""
        if self._cluster:
            await self._client.aclose()  # the next call asks the nodes who is who
        else:
            await self._client.connection_pool.disconnect()

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        pipeline = self._client.pipeline() if self._cluster else self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies


def _evicted(info: dict[str, Any]) -> str:
    """What has to follow where the server, by its INFO, has evicted keys; empty where it has not."""
    keys = info.get("evicted_keys", 0)
    return f" It evicted {keys} keys since it started: run `stream-app rebuild` then." if keys else ""
