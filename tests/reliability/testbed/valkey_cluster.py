"""A cluster of three Valkey masters, each with a replica."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot

from stream_app.embedded.free_port import free_port
from stream_app.embedded.valkey import EmbeddedValkey
from tests.reliability.testbed.valkeys import (
    AT_ONCE,
    SYNC_SECONDS,
    FailOver,
    Servers,
    client_of,
    follows,
    kill_primary,
    server_in,
)
from tests.waiting import wait_until

_FAIL_OVER_SECONDS = 20.0
_MANUAL_FAIL_OVER_SECONDS = 6.0  # a server gives up a CLUSTER FAILOVER after 5 s, when the masters gave it no vote
_SLOTS = 16384
_NODE_TIMEOUT_MS = 1500
_SHARDS = 3


class ValkeyCluster(Servers):
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
                **AT_ONCE,
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
        """The node that serves a shard now, as the living ones see it; it may be dead and not noticed yet."""
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
            lost_bytes = kill_primary(dead, old, new, lose_seconds)
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
            wait_until(lambda: all(map(_knows_all, clients)), SYNC_SECONDS, "all nodes know each other")
            for number, client in enumerate(clients[_SHARDS:]):
                client.execute_command("CLUSTER", "REPLICATE", _text(clients[number].execute_command("CLUSTER MYID")))

    def _wait_until_whole(self) -> None:
        def whole() -> bool:
            return all(self._is_whole(shard) for shard in range(_SHARDS))

        wait_until(whole, SYNC_SECONDS, "every shard has a master, and a replica that follows it")

    def _is_whole(self, shard: int, wanted: EmbeddedValkey | None = None) -> bool:
        """Whether all nodes agree on a shard's master (the one wanted), and its replica has what the master has."""
        ports = self._ports_of(shard)
        if len(ports) != 2 or (wanted and ports[0] != wanted.port):
            return False
        if not self._agreed_on(shard, self._named(ports[0])):
            return False
        with client_of(self._named(ports[0])) as master, client_of(self._named(ports[1])) as replica:
            return follows(master, replica)

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


def _knows_all(client: Redis) -> bool:
    return bool(client.cluster("INFO")["cluster_known_nodes"] == str(2 * _SHARDS))


def _first_slot(shard: int) -> int:
    return _SLOTS * shard // _SHARDS


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
