"""Makes the clients of redis-py: of one server, or of the one that Sentinels name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from stream_app.ports import ConfigurationError
from stream_app.settings import RedisSettings

TIMEOUT_SECONDS = 5.0
_SENTINEL_SECONDS = 1.0  # they answer at once
_MAX_CONNECTIONS = 50
_MAX_SENTINEL_CONNECTIONS = 1000  # this pool fails beyond it, where the other one waits


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The Redis Sentinels that know which server is the primary."""

    addresses: tuple[tuple[str, int], ...]
    primary: str
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_settings(cls, settings: RedisSettings) -> Sentinels | None:
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


def single_server(url: str, common: dict[str, Any]) -> Redis:
    """One retry, at once, for connections that died while idle: longer outages are the caller's.

    Calls beyond the pool's size wait for a connection instead of failing.
    """
    pool = BlockingConnectionPool.from_url(
        url, max_connections=_MAX_CONNECTIONS, timeout=TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 1), **common
    )
    return Redis.from_pool(pool)


def named_by(sentinels: Sentinels, url: str, common: dict[str, Any]) -> Redis:
    """The client of the primary that the Sentinels name at each new connection: it follows a fail-over by itself."""
    of_the_url = ("host", "port", "path", "connection_class")
    of_the_server: dict[str, Any] = {name: value for name, value in parse_url(url).items() if name not in of_the_url}
    # A Sentinel that is away must not hold up those that are there: redis-py would try it again for seconds, each time
    # that the primary is looked for.
    asked = {**common, "socket_timeout": _SENTINEL_SECONDS, "socket_connect_timeout": _SENTINEL_SECONDS}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        sentinels.addresses,
        sentinel_kwargs={**asked, "password": sentinels.password, "retry": Retry(NoBackoff(), 0)},
        **common,
    )
    client: Redis = sentinel.master_for(
        sentinels.primary,
        max_connections=_MAX_SENTINEL_CONNECTIONS,
        retry=Retry(NoBackoff(), 1),
        ssl=url.startswith("rediss://"),
        **of_the_server,
    )
    return client
