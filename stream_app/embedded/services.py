"""Kafka and Valkey together: for a block of code, or detached until they are stopped."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from stream_app.embedded.free_port import WAIT_FOR_OWN_PORT_SECONDS, free_port
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.embedded.server_process import address_of_last_run, find_server, forget_server, log_of, port_of_last_run
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.file_lock import only_one

Say = Callable[[str], None]
_STOP_SECONDS = 15.0


def _quiet(line: str) -> None:
    pass


class Services:
    """Kafka and Valkey for the time of a `with` block; the data is removed with it unless `data_dir` names a folder.

    Busy ports are replaced, with a line to `say`. Both servers end with the process that holds the block, also when it
    is killed. `start` raises ConfigurationError, with nothing left running, when one does not come up.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        kafka_port: int = 9092,
        valkey_port: int = 6379,
        detached: bool = False,
        say: Say = _quiet,
    ) -> None:
        self._cleanup = ExitStack()
        if data_dir is None:
            scratch = tempfile.TemporaryDirectory(prefix="stream-app-", ignore_cleanup_errors=True)
            data_dir = Path(self._cleanup.enter_context(scratch))
        kafka_folder, valkey_folder = _folders(data_dir)
        self.kafka = EmbeddedKafka(kafka_folder, port=kafka_port, detached=detached, say=say)
        self.valkey = EmbeddedValkey(valkey_folder, port=valkey_port, detached=detached, say=say)

    @property
    def brokers(self) -> str:
        """Kafka's bootstrap servers, host:port."""
        return self.kafka.address

    @property
    def redis(self) -> str:
        """Valkey's redis:// URL."""
        return self.valkey.url

    def start(self) -> None:
        """Start both; returns when both answer."""
        try:
            self.valkey.start()
            self.kafka.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both gracefully and remove a temporary data folder."""
        try:
            self.kafka.stop()
        finally:
            self.valkey.stop()
            self._cleanup.close()

    def __enter__(self) -> Services:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


@dataclass(frozen=True)
class ServiceStatus:
    """One detached server. `address` and `pid` are None when it does not run; `log` is its log file."""

    name: str
    address: str | None
    pid: int | None
    log: Path

    @property
    def running(self) -> bool:
        return self.pid is not None


@dataclass(frozen=True)
class ServicesStatus:
    """The detached servers of one folder."""

    kafka: ServiceStatus
    valkey: ServiceStatus
    folder: Path

    @property
    def running(self) -> bool:
        """Whether both run."""
        return self.kafka.running and self.valkey.running


def start_services(
    folder: Path, *, kafka_port: int = 9092, valkey_port: int = 6379, say: Say = _quiet
) -> ServicesStatus:
    """Start Kafka and Valkey so that they outlive this process, on the data that `folder` holds from before.

    Started already: `say` gets a line, nothing changes. Where one of the two runs, it stays as it is, and the other is
    started, where its port is free on the one that it had.
    Raises ConfigurationError when one does not come up; only what ran before is left running then.
    """
    with only_one(folder / "lock", say):
        status = services_status(folder)
        if status.running:
            say(f"Kafka and Valkey run already, with their data in {folder}.")
            return status
        (_, kafka_folder), (_, valkey_folder) = _servers(folder)
        if not status.kafka.running:
            kafka_port = _port_of(kafka_folder, kafka_port, "Apache Kafka", say)
        if not status.valkey.running:
            valkey_port = _port_of(valkey_folder, valkey_port, "Valkey", say)
        services = Services(folder, kafka_port=kafka_port, valkey_port=valkey_port, detached=True, say=say)
        if status.kafka.running:
            say("Kafka runs and stays as it is; starting Valkey.")
            forget_server(valkey_folder)
            services.valkey.start()
        elif status.valkey.running:
            say("Valkey runs and stays as it is; starting Kafka.")
            forget_server(kafka_folder)
            services.kafka.start()
        else:
            _stop(folder, say)
            services.start()
        return services_status(folder)


def stop_services(folder: Path, *, say: Say = _quiet) -> ServicesStatus:
    """Stop what `start_services` started in this folder; the data stays. Returns what ran before.

    Files that a crash left are removed; a process that merely has the pid of a server of ours is left alone.
    """
    with only_one(folder / "lock", say):
        before = services_status(folder)
        _stop(folder, say)
        return before


def services_status(folder: Path) -> ServicesStatus:
    """What runs of the detached servers of this folder."""
    kafka, valkey = (_status(name, at) for name, at in _servers(folder))
    return ServicesStatus(kafka, valkey, folder)


def addresses_of(status: ServicesStatus) -> tuple[str | None, str | None]:
    """Of Kafka and Valkey. Where one of the two died, the address that it had: another must not be taken for it.
    None where neither runs.
    """
    if not status.kafka.running and not status.valkey.running:
        return None, None
    kafka, valkey = (address_of_last_run(at) for _, at in _servers(status.folder))
    return status.kafka.address or kafka, status.valkey.address or valkey


def _folders(data_dir: Path) -> tuple[Path, Path]:
    return data_dir / "kafka", data_dir / "valkey"


def _servers(data_dir: Path) -> list[tuple[str, Path]]:
    kafka_folder, valkey_folder = _folders(data_dir)
    return [("kafka", kafka_folder / "node-1"), ("valkey", valkey_folder)]


def _status(name: str, folder: Path) -> ServiceStatus:
    if server := find_server(folder):
        return ServiceStatus(name, server.address, server.pid, log_of(folder))
    return ServiceStatus(name, None, None, log_of(folder))


def _port_of(folder: Path, port: int, name: str, say: Say) -> int:
    """The one of a server that died, as soon as the system has closed its sockets; else ``port``."""
    before = port_of_last_run(folder)
    return port if before is None else free_port(before, name, say, wait_seconds=WAIT_FOR_OWN_PORT_SECONDS)


def _stop(data_dir: Path, say: Say) -> None:
    for name, folder in _servers(data_dir):
        if server := find_server(folder):
            say(f"Stopping {name} (process {server.pid}) …")
            server.stop(_STOP_SECONDS)
        forget_server(folder)
