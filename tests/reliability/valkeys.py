"""Valkeys that stand in for each other: a primary with its replica, and a cluster of three such pairs.

STREAM_APP_TEST_REDIS_SERVER names a `redis-server` to run instead (7.0 or later for the cluster).
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.crc import key_slot

from stream_app.embedded.free_port import free_port
from stream_app.embedded.valkey import EmbeddedValkey
from tests.reliability.proxy import Proxy
from tests.waiting import wait_until

_SYNC_SECONDS = 20.0
_FAIL_OVER_SECONDS = 20.0
_MANUAL_FAIL_OVER_SECONDS = 6.0  # a server gives up a CLUSTER FAILOVER after 5 s, when the masters gave it no vote
_PAUSE_MS = 5_000
_SLOTS = 16384
_NODE_TIMEOUT_MS = 1500
_SHARDS = 3
# a replica is served at once, not after waiting 5 s for others to share its dump with
_AT_ONCE = {"repl-diskless-sync-delay": 0}


@dataclass(frozen=True)
class FailOver:
    """What a fail-over did. `lost_bytes`: of acknowledged writes (as replicated) that the new primary never got."""

    seconds: float
    lost_bytes: int


class _Servers:
    """What starts and stops as one, behind one proxy."""

    def __init__(self) -> None:
        self.proxy = Proxy("127.0.0.1", 0)
        self._cleanup = ExitStack()

    @property
    def url(self) -> str:
        """For clients that shall feel the fail-over, and whatever the proxy is told to do."""
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


class ReplicaPair(_Servers):
    """A primary and its replica, both with an append-only file; `url` leads to whoever is the primary."""

    is_cluster = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.primary, self.replica = (server_in(folder / str(number), _AT_ONCE) for number in (1, 2))

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
            lost_bytes = _kill(self.primary, old, new, lose_seconds)
            began = time.monotonic()
            new.execute_command("REPLICAOF", "NO", "ONE")
        self.primary, self.replica = self.replica, self.primary
        self.proxy.redirect("127.0.0.1", self.primary.port)
        return FailOver(time.monotonic() - began, lost_bytes)

    def start_old_as_replica(self) -> None:
        """Start the dead server as the primary's replica; returns when it has all that the primary has."""
        self.replica.start()
        self._follow()

    def _follow(self) -> None:
        with client_of(self.primary) as primary, client_of(self.replica) as replica:
            replica.execute_command("REPLICAOF", "127.0.0.1", self.primary.port)
            wait_until(lambda: _follows(primary, replica), _SYNC_SECONDS, "the replica follows its primary")


class ValkeyCluster(_Servers):
    """Three masters with a third of the slots each, and a replica for each of them; append-only files.

    A *shard* is 0, 1 or 2: what a master and its replica hold, whichever of the two serves it now. `url` leads to a
    node that lives: clients find the others by it, and reach these past the proxy.
    """

    is_cluster = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._buses: list[int] = []
        self._frozen: list[EmbeddedValkey] = []
        self.nodes: list[EmbeddedValkey] = []
        for number in range(2 * _SHARDS):
            self._buses.append(free_port(0, "a cluster's bus", print, self._buses))
            options = {
                **_AT_ONCE,
                "cluster-enabled": "yes",
                "cluster-port": self._buses[-1],
                "cluster-node-timeout": _NODE_TIMEOUT_MS,
                "repl-ping-replica-period": 1,  # a replica counts as one once something was replicated to it
                "cluster-replica-validity-factor": 0,  # a replica takes over however long it was without its master
            }
            self.nodes.append(server_in(folder / str(number + 1), options))

    @property
    def direct_url(self) -> str:
        """A node that lives, past the proxy."""
        return self.living[0].url

    @property
    def living(self) -> list[EmbeddedValkey]:
        """The nodes that run, and are not frozen."""
        running = [node for node in self.nodes if node.process is not None and node.process.running]
        return [node for node in running if node not in self._frozen]

    def start(self) -> None:
        new = not (self._folder / "1" / "nodes.conf").exists()
        for node in self.nodes:
            node.start()
            self._cleanup.callback(node.stop)
        if new:
            self._form()
        self._wait_until_whole()
        self._lead_to_the_living()
        self.proxy.start()
        self._cleanup.callback(self.proxy.stop)

    def shard_of(self, key: str | bytes) -> int:
        """The shard that holds a key."""
        slot = key_slot(key.encode() if isinstance(key, str) else key)
        return next(shard for shard in range(_SHARDS) if _first_slot(shard) <= slot < _first_slot(shard + 1))

    def master_of(self, key: str | bytes) -> EmbeddedValkey:
        """The node that serves a key now."""
        return self.master(self.shard_of(key))

    def master(self, shard: int) -> EmbeddedValkey:
        """The node that serves a shard now, as the living ones see it; it may be dead, while nobody has noticed."""
        return self._named(self._ports_of(shard)[0])

    def replica(self, shard: int) -> EmbeddedValkey:
        """The node that would take over a shard. Raises IndexError when it has no replica."""
        return self._named(self._ports_of(shard)[1])

    def change_places(self, shard: int) -> None:
        """Master and replica of a shard change their roles; no process ends and nothing is lost."""
        heir = self.replica(shard)
        asked = -math.inf

        def changed() -> bool:
            nonlocal asked
            if time.monotonic() - asked > _MANUAL_FAIL_OVER_SECONDS:
                with client_of(heir) as client:
                    if client.info("replication")["role"] == "slave":
                        client.execute_command("CLUSTER", "FAILOVER")
                asked = time.monotonic()
            return self._is_whole(shard, heir)

        wait_until(changed, 2 * _FAIL_OVER_SECONDS, f"shard {shard} changes hands")

    def kill_master(self, shard: int, *, lose_seconds: float = 0.0) -> FailOver:
        """`kill -9` a shard's master; returns when its replica took over, which every living node knows.

        What was acknowledged is on the replica, unless `lose_seconds` is given: then replication stops, so long before
        the kill, and what was acknowledged since is lost.
        """
        dead, heir = self.master(shard), self.replica(shard)
        with client_of(dead) as old, client_of(heir) as new:
            lost_bytes = _kill(dead, old, new, lose_seconds)
        began = time.monotonic()
        self._lead_to_the_living()
        wait_until(lambda: self._agreed_on(shard, heir), _FAIL_OVER_SECONDS, f"the replica of shard {shard} took over")
        return FailOver(time.monotonic() - began, lost_bytes)

    @contextmanager
    def frozen_master(self, shard: int) -> Iterator[None]:
        """A shard's master stands still for the block, longer than the others wait: it wakes up as a replica."""
        master, heir = self.master(shard), self.replica(shard)
        pid = master.process.pid if master.process else 0
        os.kill(pid, signal.SIGSTOP)
        self._frozen.append(master)
        try:
            self._lead_to_the_living()
            yield
            wait_until(lambda: self._agreed_on(shard, heir), _FAIL_OVER_SECONDS, f"the heir of shard {shard} took over")
        finally:
            os.kill(pid, signal.SIGCONT)
            self._frozen.remove(master)
        self._wait_until_whole()

    def restart_dead(self) -> None:
        """Start the nodes that do not run; returns when they follow the present masters."""
        for node in self.nodes:
            node.start()
        self._wait_until_whole()

    def _form(self) -> None:
        """One cluster out of six empty nodes: slots, meeting, then replicas."""
        with ExitStack() as during:
            clients = [during.enter_context(client_of(node)) for node in self.nodes]
            for number, client in enumerate(clients):
                # distinct from the beginning: colliding ones are resolved one by one, every few seconds
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                if number < _SHARDS:
                    client.execute_command("CLUSTER", "ADDSLOTSRANGE", _first_slot(number), _first_slot(number + 1) - 1)
                clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[number].port, self._buses[number])
            wait_until(lambda: all(map(_knows_all, clients)), _SYNC_SECONDS, "all nodes know each other")
            for number, client in enumerate(clients[_SHARDS:]):
                client.execute_command("CLUSTER", "REPLICATE", _text(clients[number].execute_command("CLUSTER MYID")))

    def _wait_until_whole(self) -> None:
        def whole() -> bool:
            return all(self._is_whole(shard) for shard in range(_SHARDS))

        wait_until(whole, _SYNC_SECONDS, "every shard has a master, and a replica that follows it")

    def _is_whole(self, shard: int, wanted: EmbeddedValkey | None = None) -> bool:
        """Whether all nodes agree on a shard's master (the one wanted), and its replica has what the master has."""
        ports = self._ports_of(shard)
        if len(ports) != 2 or (wanted and ports[0] != wanted.port):
            return False
        if not self._agreed_on(shard, self._named(ports[0])):
            return False
        with client_of(self._named(ports[0])) as master, client_of(self._named(ports[1])) as replica:
            return _follows(master, replica)

    def _agreed_on(self, shard: int, master: EmbeddedValkey) -> bool:
        for node in self.living:
            with client_of(node) as client:
                if client.cluster("INFO")["cluster_state"] != "ok":
                    return False
                if self._ports_of(shard, client)[:1] != [master.port]:
                    return False
        return True

    def _ports_of(self, shard: int, client: Redis | None = None) -> list[int]:
        """Ports of a shard's master, then of its replicas."""
        if client is None:
            with client_of(self.living[0]) as any_client:
                return self._ports_of(shard, any_client)
        first = _first_slot(shard)
        ranges: list[Any] = client.execute_command("CLUSTER SLOTS")  # first slot, last slot, master, replicas
        return [int(node[1]) for start, _, *nodes in ranges if start == first for node in nodes]

    def _named(self, port: int) -> EmbeddedValkey:
        return next(node for node in self.nodes if node.port == port)

    def _lead_to_the_living(self) -> None:
        port = self.living[0].port
        if self.proxy.target != ("127.0.0.1", port):
            self.proxy.redirect("127.0.0.1", port)


@contextmanager
def client_of(server: EmbeddedValkey) -> Iterator[Redis]:
    """A connection to a server itself, past any proxy."""
    with Redis.from_url(server.url, socket_timeout=10, protocol=2) as client:
        yield client


def server_in(folder: Path, options: dict[str, object]) -> EmbeddedValkey:
    """A server to be started, with these settings besides those of EmbeddedValkey."""
    binary = os.environ.get("STREAM_APP_TEST_REDIS_SERVER")
    return EmbeddedValkey(folder, port=0, binary=Path(binary) if binary else None, options=options)


def _kill(dying: EmbeddedValkey, old: Redis, new: Redis, lose_seconds: float) -> int:
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


def _follows(primary: Redis, replica: Redis) -> bool:
    """Whether the replica has a link to its primary, and all that was written before the question."""
    info = replica.info("replication")
    return (
        (info["role"], info.get("master_link_status")) == ("slave", "up")
        and info["master_port"] == primary.get_connection_kwargs()["port"]
        and _lag_bytes(primary, replica) <= 0
    )


def _knows_all(client: Redis) -> bool:
    return bool(client.cluster("INFO")["cluster_known_nodes"] == str(2 * _SHARDS))


def _first_slot(shard: int) -> int:
    return _SLOTS * shard // _SHARDS


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
