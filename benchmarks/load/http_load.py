"""GET requests at set times over kept connections, from a process of its own that takes little processor time.

One thread, one `select` (its timeout has microseconds, unlike epoll's), no coroutines: some 20 µs a request. A request
that is due while every connection waits for an answer waits itself, and its latency counts that.
"""

from __future__ import annotations

import math
import select
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httptools
import orjson

from benchmarks.load.open_loop import Spread, poisson_times, spread

_START_SECONDS = 0.3  # between connecting and the first request
_PATIENCE_SECONDS = 10.0  # after the last request was due
_RECEIVE_BYTES = 256 * 1024


@dataclass(frozen=True)
class HttpLoad:
    """What to ask. ``targets`` are asked in turn: path with query, and the If-None-Match header's value or ''."""

    host: str
    port: int
    targets: list[tuple[str, str]]
    rate: float
    seconds: float
    connections: int
    seed: int


@dataclass(frozen=True)
class HttpAnswers:
    """What came back. Times in ms.

    ``latency_ms``: from the time that a request was due until its answer was read whole; unanswered ones are not in it,
    they are ``errors``, as is every status but 200 and 304. ``late_ms``: how much later than due the generator itself
    turned to a request: what it adds. ``cpu_share``: of one core, by the generator.
    """

    asked: int
    rate_achieved: float
    latency_ms: Spread
    late_ms: Spread
    statuses: dict[str, int]
    errors: int
    bytes_per_answer: float
    cpu_share: float


class _Connection:
    """One kept connection: at most one request under way. httptools calls the ``on_…`` methods."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpResponseParser(self)
        self._answered = False
        self.due = 0.0

    def ask(self, request: bytes, due: float) -> None:
        self.due = due
        self._answered = False
        self.socket.sendall(request)  # a few hundred bytes into an empty buffer: never waits

    def read(self) -> tuple[bool, int]:
        """(is the answer whole, bytes read). Raises ConnectionError when the server hung up."""
        data = self.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise ConnectionError("the server closed a kept connection")
        self._parser.feed_data(data)
        return self._answered, len(data)

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    def on_message_complete(self) -> None:
        self._answered = True


def generate(load: HttpLoad) -> HttpAnswers:
    """Ask, in this process, and wait for the answers (at most 10 s after the last request was due)."""
    requests = [_request(load, target, tag) for target, tag in load.targets]
    free = deque(_Connection(load.host, load.port) for _ in range(load.connections))
    by_socket = {connection.socket: connection for connection in free}
    began = time.perf_counter() + _START_SECONDS
    times = [began + at for at in poisson_times(load.rate, load.seconds, load.seed)]
    latency: list[float] = []
    late: list[float] = []
    statuses: Counter[int] = Counter()
    received = turned_to = sent = lost = 0
    cpu_before = time.process_time()
    give_up = (times[-1] if times else began) + _PATIENCE_SECONDS
    while len(latency) + lost < len(times):
        now = time.perf_counter()
        if now > give_up or not by_socket:
            break
        while turned_to < len(times) and times[turned_to] <= now:
            late.append(now - times[turned_to])
            turned_to += 1
        while sent < turned_to and free:
            free.popleft().ask(requests[sent % len(requests)], times[sent])
            sent += 1
        pause = times[turned_to] - now if turned_to < len(times) else give_up - now
        readable, _, _ = select.select(list(by_socket), [], [], max(0.0, pause))
        for one in readable:
            connection = by_socket[one]
            try:
                whole, size = connection.read()
            except ConnectionError:
                del by_socket[one]
                if connection in free:
                    free.remove(connection)
                else:
                    lost += 1
                continue
            received += size
            if whole:
                latency.append(time.perf_counter() - connection.due)
                statuses[connection.status] += 1
                free.append(connection)
    ended = time.perf_counter()
    good = statuses[200] + statuses[304]
    return HttpAnswers(
        asked=len(times),
        rate_achieved=len(latency) / (ended - began),
        latency_ms=spread(1000 * seconds for seconds in latency),
        late_ms=spread(1000 * seconds for seconds in late),
        statuses={str(status): count for status, count in sorted(statuses.items())},
        errors=len(times) - good,
        bytes_per_answer=received / max(1, len(latency)),
        cpu_share=(time.process_time() - cpu_before) / (ended - began),
    )


def generate_in_own_process(load: HttpLoad) -> HttpAnswers:
    """The same in a process of its own, so that neither this one nor its collector is in the measurement."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load.http_load"],
        cwd=Path(__file__).parents[2],
        input=orjson.dumps(load),
        stdout=subprocess.PIPE,
        check=True,
        timeout=load.seconds + 60,
    )
    return answers_from(done.stdout)


def answers_from(printed: bytes) -> HttpAnswers:
    """What the process printed."""
    fields = orjson.loads(printed)
    spreads = {name: _spread(fields[name]) for name in ("latency_ms", "late_ms")}
    return HttpAnswers(**fields | spreads)


def _spread(fields: dict[str, float | None]) -> Spread:
    """JSON has no NaN: null stands for it."""
    values = {name: math.nan if value is None else value for name, value in fields.items()}
    return Spread(int(values.pop("count")), **values)


def _request(load: HttpLoad, target: str, tag: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", f"Host: {load.host}:{load.port}", "Accept: application/json"]
    if tag:
        lines.append(f"If-None-Match: {tag}")
    return "\r\n".join([*lines, "", ""]).encode()


def _main(standard_input: bytes) -> bytes:
    fields = orjson.loads(standard_input)
    targets: Sequence[Sequence[str]] = fields["targets"]
    load = HttpLoad(**fields | {"targets": [(target, tag) for target, tag in targets]})
    return orjson.dumps(asdict(generate(load)))


if __name__ == "__main__":
    sys.stdout.buffer.write(_main(sys.stdin.buffer.read()))
