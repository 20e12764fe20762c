"""The API and Valkey under HTTP load, and their processor time."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
from rich.console import Console

from benchmarks.harness.process_usage import cpu_seconds
from benchmarks.load.http_load import HttpAnswers, HttpLoad, generate_in_own_process
from stream_app.commands.options import environment_of
from stream_app.embedded.bound_process import bound
from stream_app.settings import Settings

console = Console(stderr=True)


@dataclass(frozen=True)
class LookUpRun:
    """One load: what was asked at which rate, what came back, and how busy the API and Valkey were (of one core)."""

    name: str
    rate: float
    seconds: float
    answers: HttpAnswers
    api_cpu_share: float
    valkey_cpu_share: float


class HttpBench:
    """The servers under load, and the generator of the load."""

    def __init__(
        self, api: psutil.Process, valkey: psutil.Process, host: str, port: int, connections: int, seed: int
    ) -> None:
        self._servers = (api, valkey)
        self._host, self._port = host, port
        self._connections = connections
        self._seed = seed

    def run(self, name: str, targets: list[tuple[str, str]], rate: float, seconds: float) -> LookUpRun:
        console.print(f"{name}: {rate:g} requests/s for {seconds:g} s …")
        load = HttpLoad(self._host, self._port, targets, rate, seconds, self._connections, self._seed)
        before = [cpu_seconds(server) for server in self._servers]
        answers = generate_in_own_process(load)
        used = [cpu_seconds(server) - cpu for server, cpu in zip(self._servers, before, strict=True)]
        lasted = answers.asked / answers.rate_achieved if answers.rate_achieved else seconds
        return LookUpRun(name, rate, seconds, answers, used[0] / lasted, used[1] / lasted)

    def of(self, api: psutil.Process, host: str, port: int) -> HttpBench:
        """The same load for another server."""
        return HttpBench(api, self._servers[1], host, port, self._connections, self._seed)

    def with_tags(self, targets: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The same targets with the ETag that each has now."""
        import http.client

        connection = http.client.HTTPConnection(self._host, self._port, timeout=10)
        tags: dict[str, str] = {}
        for target, _ in targets:
            if target not in tags:
                connection.request("GET", target)
                answer = connection.getresponse()
                answer.read()
                tags[target] = answer.headers["ETag"]
        connection.close()
        return [(target, tags[target]) for target, _ in targets]


@contextmanager
def serving(module: str, *arguments: str, settings: Settings) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A module that serves on a free port of loopback and says where, until the end of the block."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            bound([sys.executable, "-m", module, *arguments]),
            env=environment_of(settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said.startswith("Page: "):
                log.seek(0)
                raise RuntimeError(f"{module} did not come up: {said}{log.read()[-2000:]}")
            address = urlsplit(said.split()[-1])  # of look-ups, where there are two
            assert address.hostname is not None
            assert address.port is not None
            yield process, address.hostname, address.port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


def process_on(port: int) -> psutil.Process:
    """The one process that listens on this port of loopback."""
    [pid] = {
        one.pid
        for one in psutil.net_connections("tcp4")
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid is not None
    }
    return psutil.Process(pid)
