"""The generator of look-ups against a server that does what a test tells it."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import orjson
import pytest

from benchmarks.load.http_load import HttpLoad, answers_from, generate, generate_in_own_process

Answer = Callable[[bytes], bytes]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def server(answer: Answer, connections: int) -> Iterator[int]:
    """Answers one request after the other on each connection; b"" hangs up. The port is given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk(client: socket.socket) -> None:
            with client:
                while request := client.recv(65536):
                    answered = answer(request)
                    if not answered:
                        return
                    client.sendall(answered)

        def accept() -> None:
            for _ in range(connections):
                client, _ = listener.accept()
                threading.Thread(target=talk, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def load(port: int, **other: object) -> HttpLoad:
    fields: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "targets": [("/a", ""), ("/b", 'W/"1"')],
        "rate": 100.0,
        "seconds": 0.5,
        "connections": 2,
        "seed": 1,
    }
    return HttpLoad(**fields | other)  # type: ignore[arg-type]


def test_asks_every_target_in_turn_and_counts_what_comes_back() -> None:
    """With the ETag where there is one; 304 is an answer, 500 an error."""
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return OK if b"GET /a " in request else b"HTTP/1.1 304 Not Modified\r\n\r\n"

    with server(answer, connections=2) as port:
        answers = generate(load(port))

    assert answers.asked == len(asked) == answers.latency_ms.count == answers.late_ms.count
    assert answers.statuses == {
        "200": sum(b"GET /a " in one for one in asked),
        "304": sum(b"GET /b " in one and b'If-None-Match: W/"1"\r\n' in one for one in asked),
    }
    assert answers.errors == 0


def test_status_of_an_error_is_an_error() -> None:
    """A server that answers 500 at once is not fast."""
    with server(lambda _: b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", connections=2) as port:
        answers = generate(load(port))

    assert answers.errors == answers.asked == answers.statuses["500"]


def test_requests_that_wait_for_a_slow_server_count_from_when_they_were_due() -> None:
    """The server stops for half a second at its first request; those due meanwhile took that long too."""
    stopped = threading.Event()

    def answer(_: bytes) -> bytes:
        if not stopped.is_set():
            stopped.set()
            time.sleep(0.5)  # the outage
        return OK

    with server(answer, connections=1) as port:
        answers = generate(load(port, connections=1, targets=[("/a", "")]))

    assert answers.errors == 0
    assert answers.latency_ms.p50 > 100  # a generator that waits would have sent one request in this time
    assert answers.late_ms.p99 < answers.latency_ms.p50  # and it is not the generator that was late


def test_hung_up_connection_loses_its_request_and_no_other() -> None:
    """What was asked on it is an error; the other connection goes on."""
    hung_up = threading.Event()

    def answer(_: bytes) -> bytes:
        if not hung_up.is_set():
            hung_up.set()
            return b""
        return OK

    with server(answer, connections=2) as port:
        answers = generate(load(port))

    assert answers.errors == 1
    assert answers.statuses == {"200": answers.asked - 1}


def test_process_beside_says_the_same_as_the_function() -> None:
    """Including that there is no latency where nothing was answered."""
    with server(lambda _: OK, connections=2) as port:
        answers = generate_in_own_process(load(port))
        assert answers.latency_ms.count == answers.asked > 0

    nothing = asdict(answers) | {"latency_ms": asdict(answers.latency_ms) | {"p50": math.nan}}
    assert math.isnan(answers_from(orjson.dumps(nothing)).latency_ms.p50)


def test_dead_server_is_an_exception() -> None:
    """And no row of zeros."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectionError):
        generate(load(port))
