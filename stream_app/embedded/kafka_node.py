"""One KRaft node on loopback, a broker and a controller, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_app.embedded.server_process import ServerProcess

# The enriched topic and the dead letter hold messages of 2 MiB; a record batch adds its own headers.
_LARGEST_MESSAGE_BYTES = 2 * 1024 * 1024 + 64 * 1024


@dataclass
class Node:
    """``proxied_port``: where it listens for a proxy that clients know as ``advertised_port``; 0: for none."""

    id: int
    folder: Path
    port: int = 0
    controller_port: int = 0
    proxied_port: int = 0
    advertised_port: int = 0
    process: ServerProcess | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def properties(node: Node, nodes: Sequence[Node]) -> dict[str, object]:
    """The lines of its server.properties, as one of these nodes."""
    copies = min(3, len(nodes))
    copies_in_sync = 2 if copies == 3 else 1
    listeners = {"CLIENT": (node.address, node.address)}  # name -> (listens at, advertises)
    if node.advertised_port:
        listeners["PROXIED"] = (f"127.0.0.1:{node.proxied_port}", f"127.0.0.1:{node.advertised_port}")
    at = ",".join(f"{name}://{address}" for name, (address, _) in listeners.items())
    return {
        "process.roles": "broker,controller",
        "node.id": node.id,
        "controller.quorum.voters": ",".join(f"{n.id}@127.0.0.1:{n.controller_port}" for n in nodes),
        "listeners": f"{at},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": ",".join(f"{name}://{advertised}" for name, (_, advertised) in listeners.items()),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": "topics",
        "auto.create.topics.enable": "false",
        "message.max.bytes": _LARGEST_MESSAGE_BYTES,
        "replica.fetch.max.bytes": _LARGEST_MESSAGE_BYTES,
        "default.replication.factor": copies,
        "min.insync.replicas": copies_in_sync,
        "offsets.topic.num.partitions": 8,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": 2,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": copies_in_sync,
        "share.coordinator.state.topic.num.partitions": 2,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": copies_in_sync,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # a killed broker is let in again only when its old session has ended (9 s by default)
        "broker.session.timeout.ms": 4000,
        "broker.heartbeat.interval.ms": 500,
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,  # half the heap by default
        "num.network.threads": 2,
        "num.io.threads": 4,
    }
