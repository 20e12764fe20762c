"""A Valkey primary with its replica behind a proxy, and what a cluster has in common with it.

STREAM_APP_TEST_REDIS_SERVER names a `redis-server` to run instead (7.0 or later for the cluster).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis

from stream_app.embedded.valkey import EmbeddedValkey
from tests.reliability.testbed.proxy import Proxy
from tests.waiting import wait_until

SYNC_SECONDS = 20.0
_PAUSE_MS = 5_000
# a replica is served at once, not after waiting 5 s for others to share its dump with
AT_ONCE: dict[str, object] = {"repl-diskless-sync-delay": 0}


@dataclass(frozen=True)
class FailOver:
    """What a fail-over did. `lost_bytes`: of acknowledged writes (as replicated) that the new primary never got."""

    seconds: float
    lost_bytes: int


class Servers:
    """What starts and stops as one, behind one proxy."""

    settings_of_workers: Mapping[str, Any] = {}
    """Settings by which workers find the servers, besides ``url``."""

    def __init__(self) -> None:
        self.proxy = Proxy("127.0.0.1", 0)
        self._cleanup = ExitStack()

    @property
    def url(self) -> str:
        """For clients that go through the proxy, so that fail-overs and faults reach them."""
        return f"redis://{self.proxy.address}/0"

    def start(self) -> None:
        """Start and join the servers; returns when every replica follows its primary."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the servers and the proxy; the data stays."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class ReplicaPair(Servers):
    """A primary and its replica, both with an append-only file; `url` leads to whoever is the primary."""

    is_cluster = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.primary, self.replica = (server_in(folder / str(number), AT_ONCE) for number in (1, 2))

    @property
    def direct_url(self) -> str:
        """The primary, past the proxy."""
        return self.primary.url

    def start(self) -> None:
        for server in (self.primary, self.replica):
            server.start()
            self._cleanup.callback(server.stop)
        self._follow()
        self.proxy.redirect("127.0.0.1", self.primary.port)
        self.proxy.start()
        self._cleanup.callback(self.proxy.stop)

    def fail_over(self, *, lose_seconds: float = 0.0) -> FailOver:
        """`kill -9` the primary, promote the replica and lead the proxy to it.

        What was acknowledged is on the replica, unless `lose_seconds` is given: then replication stops, so long before
        the kill, and what was acknowledged since is lost. `primary` and `replica` change places; `replica` is dead.
        """
        with ExitStack() as during:
            old, new = (during.enter_context(client_of(one)) for one in (self.primary, self.replica))
            lost_bytes = kill_primary(self.primary, old, new, lose_seconds)
            began = time.monotonic()
            new.execute_command("REPLICAOF", "NO", "ONE")
        self.primary, self.replica = self.replica, self.primary
        self.proxy.redirect("127.0.0.1", self.primary.port)
        return FailOver(time.monotonic() - began, lost_bytes)

    def wait_until_replicated(self) -> None:
        """Return when the replica has all that the primary has; while nothing is written."""
        with client_of(self.primary) as primary, client_of(self.replica) as replica:
            wait_until(lambda: follows(primary, replica), SYNC_SECONDS, "the replica has all")

    def start_old_as_replica(self) -> None:
        """Start the dead server as the primary's replica; returns when it has all that the primary has."""
        self.replica.start()
        self._follow()

    def _follow(self) -> None:
        with client_of(self.replica) as replica:
            replica.execute_command("REPLICAOF", "127.0.0.1", self.primary.port)
        self.wait_until_replicated()


@contextmanager
def client_of(server: EmbeddedValkey) -> Iterator[Redis]:
    """A connection to a server itself, past any proxy."""
    with Redis.from_url(server.url, socket_timeout=10, protocol=2) as client:
        yield client


def server_in(folder: Path, options: dict[str, object]) -> EmbeddedValkey:
    """A server to be started, with these settings besides those of EmbeddedValkey."""
    binary = os.environ.get("STREAM_APP_TEST_REDIS_SERVER")
    return EmbeddedValkey(folder, port=0, binary=Path(binary) if binary else None, options=options)


def kill_primary(dying: EmbeddedValkey, old: Redis, new: Redis, lose_seconds: float) -> int:
    """Kill a primary when its replica has everything, or has had nothing new for some time; the bytes of difference."""
    if lose_seconds:
        new.config_set("masterauth", "wrong")  # the replica cannot come back to its primary
        old.execute_command("CLIENT", "KILL", "TYPE", "replica")
        time.sleep(lose_seconds)
        lost_bytes = _lag_bytes(old, new)
        dying.kill()
        new.config_set("masterauth", "")
        return lost_bytes
    old.execute_command("CLIENT", "PAUSE", _PAUSE_MS, "WRITE")  # nothing is acknowledged from here on
    wait_until(lambda: _lag_bytes(old, new) <= 0, _PAUSE_MS / 1000, "the replica has what its primary acknowledged")
    dying.kill()
    return 0


def _lag_bytes(primary: Redis, replica: Redis) -> int:
    """How much of what the primary has written by now the replica lacks, a moment later."""
    written = primary.info("replication")["master_repl_offset"]
    return int(written - replica.info("replication")["slave_repl_offset"])


def follows(primary: Redis, replica: Redis) -> bool:
    """Whether the replica has a link to its primary, and all that was written before the question."""
    info = replica.info("replication")
    return (
        (info["role"], info.get("master_link_status")) == ("slave", "up")
        and info["master_port"] == primary.get_connection_kwargs()["port"]
        and _lag_bytes(primary, replica) <= 0
    )
