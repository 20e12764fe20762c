"""The connection to Redis, Valkey or a cluster of them: pipelines, scripts, and what its errors mean to us."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from stream_app import telemetry
from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.settings import Settings, masked_url

Command = tuple[Any, ...]

_TIMEOUT_SECONDS = 5.0
_MAX_CONNECTIONS = 50
_MAX_SENTINEL_CONNECTIONS = 1000  # this pool fails beyond it, where the other one waits
_OLDEST_VERSION = (6, 2)
_SCAN_COUNT = 1000

_AWAY = (
    exceptions.ConnectionError,  # BusyLoadingError and MaxConnectionsError too
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,  # guarantee: a-full-server-is-unavailable
    exceptions.NoScriptError,  # again, just after we loaded it: another server took over
    exceptions.ClusterError,  # ClusterDownError and MasterDownError too
    exceptions.AskError,  # MovedError too: slots on the move
    exceptions.TryAgainError,
)
_AWAY_PREFIXES = ("MISCONF", "NOREPLICAS", "BUSY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "OOM", "READONLY")
# before 7.0, around what refused a command of a script: "Error running script (…): @user_script: 101: -OOM command …"
_AROUND_A_SCRIPTS_ERROR = re.compile(r"Error running script .*: -(?=[A-Z]+ )")
_REFUSED = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError)


class Script:
    """A Lua script of this package. Every one may be run again: the same arguments change nothing more."""

    def __init__(self, name: str) -> None:
        self.source = files("stream_app.store").joinpath(f"{name}.lua").read_bytes()
        self._sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Command:
        """The command that runs it."""
        return ("EVALSHA", self._sha, len(keys), *keys, *arguments)


_CONNECTING = re.compile(r"Error (?P<number>-?\d+) connecting to (?P<where>\S+?)\. (?P<why>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The Redis Sentinels that know which server is the primary."""

    addresses: tuple[tuple[str, int], ...]
    primary: str
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Sentinels | None:
        """None where there are none; raises ConfigurationError for what is no list of host:port."""
        addresses = []
        for named in filter(None, (part.strip() for part in settings.redis_sentinels.split(","))):
            host, _, port = named.rpartition(":")
            if not host or not port.isdigit():
                raise ConfigurationError(
                    f"STREAM_APP_REDIS_SENTINELS names {named!r}; set it to host:port,host:port (26379 is usual)."
                )
            addresses.append((host.strip("[]"), int(port)))
        if addresses and settings.redis_cluster:
            raise ConfigurationError("Set STREAM_APP_REDIS_SENTINELS or STREAM_APP_REDIS_CLUSTER, not both.")
        password = settings.redis_sentinel_password
        secret = password.get_secret_value() if password else None
        return cls(tuple(addresses), settings.redis_sentinel_primary, secret) if addresses else None


class Server:
    """Raises StoreUnavailable when it is away, ConfigurationError when it refuses us; anything else is a bug."""

    def __init__(
        self, url: str, scripts: Sequence[Script], *, cluster: bool = False, sentinels: Sentinels | None = None
    ) -> None:
        """``sentinels`` name the server of the ``url``, whose host and port count for nothing then."""
        self._scripts = scripts
        self._cluster = cluster
        common: dict[str, Any] = {
            "socket_timeout": _TIMEOUT_SECONDS,
            "socket_connect_timeout": _TIMEOUT_SECONDS,
            "health_check_interval": 30,
            "protocol": 2,  # the shape of raw replies must not depend on the client's default
        }
        try:
            if sentinels:
                self._client: Any = _named_by(sentinels, url, common)
            else:
                self._client = RedisCluster.from_url(url, **common) if cluster else _single(url, common)
        except (ValueError, exceptions.RedisClusterException):
            # without the cause, in which parts of the password may stand
            raise ConfigurationError(
                f"The Redis URL {masked_url(url)} is not usable. Set it as redis://host:port/0 (rediss:// for TLS), "
                "with user and password percent-encoded."
            ) from None

    @classmethod
    def from_settings(cls, settings: Settings, scripts: Sequence[Script]) -> Server:
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
        with _translated():
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
                    if isinstance(reply, exceptions.ReadOnlyError) or _code_and_text(reply).startswith("READONLY"):
                        await self._look_for_primaries()
                    raise reply
        return replies

    async def keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """Pages of keys that match a glob pattern, of every primary; a key that stays meanwhile is among them."""
        nodes: list[Any] = [None]
        if self._cluster:
            with _translated():
                await self._client.initialize()
            nodes = self._client.get_primaries()
        for node in nodes:
            where = {} if node is None else {"target_nodes": node}
            cursor: Any = 0
            while True:
                with _translated():
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
        self, sections: Sequence[str], beside: Sequence[Command]
    ) -> tuple[list[dict[str, Any]], list[Any]]:
        """Also the replies to commands ``beside`` it, in the same round trip (of a cluster: at the same time)."""
        if not self._cluster:
            asked: list[Command] = [("INFO", section) for section in sections] or [("INFO",)]
            replies = await self.run([*asked, *beside])
            parts, others = replies[: len(asked)], replies[len(asked) :]
            return [{name: fact for part in parts for name, fact in part.items()}], others
        infos, others = await asyncio.gather(self._infos_of_primaries(), self.run(beside))
        return infos, others

    async def _infos_of_primaries(self) -> list[dict[str, Any]]:
        with _translated():  # all at once: who is a primary may change between two calls
            by_node = await self._client.info(target_nodes=RedisCluster.PRIMARIES)
        if "run_id" in by_node:  # a cluster of one primary answers without the node's name
            return [by_node]
        return [info for _, info in sorted(by_node.items())]

    async def server_identity(self, *, beside: Sequence[Command] = ()) -> tuple[str, list[Any]]:
        """Names the servers that hold the data, and the history of each: changes whenever writes may have been lost.

        By a restart (another run_id); by a fail-over (another server's run_id); and where a server serves again, by the
        data that it took over from another one meanwhile (another master_replid). Raises StoreUnavailable when a
        replica answers: it was a primary once, and the next call looks for the present one.
        Second: the replies to commands ``beside`` it, in the same round trip.
        """
        infos, others = await self._infos(("server", "replication"), beside)  # all would be ten times as long
        if any(info.get("role") == "slave" for info in infos):
            with _translated():
                await self._look_for_primaries()
            raise StoreUnavailable("Redis cannot be used now: a replica answers, its primary is another server by now")
        # guarantee: server_identity-changes-with-a-restart
        return " ".join(f"{info['run_id']}/{info.get('master_replid', '')}" for info in infos), others

    async def check(self) -> None:
        """Raises ConfigurationError where the server is too old or would forget keys; warns about what is unsure."""
        for info in await self.infos():
            version = str(info.get("redis_version", "0"))
            if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_VERSION:
                raise ConfigurationError(f"Redis {version} is too old: 6.2 or later, or any Valkey, is needed.")
            policy = info.get("maxmemory_policy")
            if policy is None:
                telemetry.store_policy_was_hidden()
            elif policy != "noeviction" and info.get("maxmemory", 0) != 0:  # guarantee: noeviction
                raise ConfigurationError(
                    f"Redis would forget products: maxmemory-policy is {policy}. "
                    "Run `CONFIG SET maxmemory-policy noeviction` and put it into the server's configuration."
                )
            if not info.get("aof_enabled", 0):
                telemetry.store_is_not_durable()

    async def close(self) -> None:
        """Give the connections back."""
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


def _single(url: str, common: dict[str, Any]) -> Redis:
    """One retry, at once, for connections that died while idle: patience with outages is the caller's.

    Calls beyond the pool's size wait for a connection instead of failing.
    """
    pool = BlockingConnectionPool.from_url(
        url, max_connections=_MAX_CONNECTIONS, timeout=_TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 1), **common
    )
    return Redis.from_pool(pool)


def _named_by(sentinels: Sentinels, url: str, common: dict[str, Any]) -> Redis:
    """The client of the primary that the Sentinels name at each new connection: it follows a fail-over by itself."""
    of_the_url = ("host", "port", "path", "connection_class")
    of_the_server: dict[str, Any] = {name: value for name, value in parse_url(url).items() if name not in of_the_url}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        sentinels.addresses, sentinel_kwargs={**common, "password": sentinels.password}, **common
    )
    client: Redis = sentinel.master_for(
        sentinels.primary,
        max_connections=_MAX_SENTINEL_CONNECTIONS,
        retry=Retry(NoBackoff(), 1),
        ssl=url.startswith("rediss://"),
        **of_the_server,
    )
    return client


def _code_and_text(error: Exception) -> str:
    """Of an error that redis-py has no class for: what the server meant."""
    return _AROUND_A_SCRIPTS_ERROR.sub("", str(error))


def in_words(error: Exception) -> str:
    """redis-py's "Error 111 connecting to cache:6379. Connect call failed …", for people."""
    found = _CONNECTING.match(str(error))
    if found is None:
        return str(error)
    try:
        why = os.strerror(int(found["number"])).lower()
    except (ValueError, OverflowError):
        why = found["why"]
    return (
        f"{why} at {found['where']}. Does it run? `stream-app services start` starts one here; "
        "`stream-app check` looks; STREAM_APP_REDIS or --redis names another"
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _REFUSED as error:
        raise ConfigurationError(
            f"Redis refused: {error}. Check user and password in the URL; the user needs the commands "
            "+@hash +@sortedset +@scripting +@connection +info, `rebuild` also +scan +unlink +get +set +del +pttl."
        ) from error
    except _AWAY as error:  # guarantee: a-stopped-server-is-unavailable
        raise StoreUnavailable(f"Redis cannot be used now: {in_words(error)}") from error
    except exceptions.ResponseError as error:
        if _code_and_text(error).startswith(_AWAY_PREFIXES):
            raise StoreUnavailable(f"Redis cannot be used now: {error}") from error
        raise
    except exceptions.RedisClusterException as error:
        raise StoreUnavailable(f"Redis Cluster cannot be used now: {error}") from error
