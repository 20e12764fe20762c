"""Each limit of the API is what its setting says, on the server as a process starts it."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest

from stream_app.api import server
from stream_app.settings import Settings
from tests.unit.api.test_limits import REQUEST, answer
from tests.waiting import wait_until_async

Connect = Callable[..., socket.socket]
Serve = Callable[..., None]

REFUSED = (b"HTTP/1.1 503", b"")
CLOSE = b"connection: close\r\n\r\n"
EVENTS = REQUEST.replace(b"/healthz", b"/v1/events")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serves with these settings, without a store, while ``look`` runs. It gets what connects to the internal port."""
    serve_until_stopped = server.Server.serve

    def start(look: Callable[[Connect], None], **settings: Any) -> None:
        async def meanwhile(own: server.Server, sockets: list[socket.socket]) -> None:
            serving = asyncio.create_task(serve_until_stopped(own, sockets))
            try:
                await wait_until_async(lambda: own.started, 30, "the server has started")
                with ExitStack() as opened:

                    def connect(source: str = "127.0.0.1") -> socket.socket:
                        place = ("127.0.0.1", sockets[-1].getsockname()[1])
                        return opened.enter_context(
                            socket.create_connection(place, timeout=10, source_address=(source, 0))
                        )

                    await asyncio.to_thread(look, connect)
            finally:
                own.should_exit = True
                await serving

        monkeypatch.setattr(server.Server, "serve", meanwhile)
        nobody = {"redis": "redis://127.0.0.1:1/0", "api_port": 0, "api_internal_port": 0}
        server.serve(Settings(_env_file=None, **{**nobody, **settings}), say=lambda line: None)

    yield start
    gc.unfreeze()  # a process of the API freezes what it has at its start


def status(connection: socket.socket, request: bytes) -> bytes:
    """The first line of the answer to a request after which the connection is closed; it may be lost in a refusal."""
    with closing(connection), suppress(ConnectionError):
        connection.sendall(request)
        return answer(connection).partition(b"\r\n")[0]
    return b""


def kept(connection: socket.socket) -> bool:
    """Was a request answered on a connection that stays open?"""
    connection.sendall(REQUEST + b"\r\n")
    return connection.recv(65_536).startswith(b"HTTP/1.1 200")


def stream(connection: socket.socket) -> bytes:
    """The first line of the answer to a request for events; a stream is open when its first event is there."""
    connection.sendall(EVENTS + b"\r\n")
    received = b""
    while b"event: " not in received and (part := connection.recv(65_536)):
        received += part
        if b" 503 " in received:
            break
    return received.partition(b"\r\n")[0]


def test_bytes_of_headers_are_what_the_setting_says(serve: Serve) -> None:
    def look(connect: Connect) -> None:
        assert status(connect(), REQUEST + b"x: " + b"a" * 1_500 + b"\r\n" + CLOSE).startswith(b"HTTP/1.1 431")
        assert status(connect(), REQUEST + b"x: " + b"a" * 500 + b"\r\n" + CLOSE).startswith(b"HTTP/1.1 200")

    serve(look, api_max_header_bytes=1_024)


def test_idle_time_is_what_the_setting_says(serve: Serve) -> None:
    def look(connect: Connect) -> None:
        connection = connect()
        connection.settimeout(5)
        assert answer(connection) == b""

    serve(look, api_idle_seconds=0.1)


def test_connections_are_as_many_as_the_setting_says(serve: Serve) -> None:
    def look(connect: Connect) -> None:
        assert kept(connect("127.0.0.2"))
        assert status(connect(), REQUEST + CLOSE)[:12] in REFUSED

    serve(look, api_connections=1)


def test_connections_of_an_address_are_as_many_as_the_setting_says(serve: Serve) -> None:
    def look(connect: Connect) -> None:
        assert kept(connect())
        assert status(connect(), REQUEST + CLOSE)[:12] in REFUSED
        assert status(connect("127.0.0.2"), REQUEST + CLOSE).startswith(b"HTTP/1.1 200")

    serve(look, api_connections_per_address=1)


def test_streams_are_as_many_as_the_setting_says(serve: Serve) -> None:
    def look(connect: Connect) -> None:
        assert stream(connect("127.0.0.2")).startswith(b"HTTP/1.1 200")
        assert stream(connect()).startswith(b"HTTP/1.1 503")

    serve(look, api_streams=1)


def test_streams_of_an_address_are_as_many_as_the_setting_says(serve: Serve) -> None:
    """Over HTTP: by the address that a connection comes from."""

    def look(connect: Connect) -> None:
        assert stream(connect()).startswith(b"HTTP/1.1 200")
        assert stream(connect()).startswith(b"HTTP/1.1 503")
        assert stream(connect("127.0.0.2")).startswith(b"HTTP/1.1 200")

    serve(look, api_streams_per_address=1)


@pytest.mark.parametrize(
    ("settings", "known", "unknown"),
    [
        ({}, ["localhost", "127.0.0.1:8081", "[::1]:8081"], ["evil.example:8081", "console.shop.example"]),
        ({"api_internal_allowed_hosts": "console.shop.example"}, ["console.shop.example"], ["evil.example"]),
        ({"api_internal_host": "0.0.0.0"}, ["api.default.svc.cluster.local:8081"], []),
        (
            {"api_internal_host": "0.0.0.0", "api_internal_allowed_hosts": "a.example, B.example"},
            ["a.example", "b.example", "localhost", "10.0.0.7"],
            ["evil.example"],
        ),
    ],
)
def test_names_of_the_internal_port_are_those_of_the_setting(
    serve: Serve, settings: dict[str, str], known: list[str], unknown: list[str]
) -> None:
    """Without it by where the port listens: the probes of Kubernetes and load balancers use names."""

    def look(connect: Connect) -> None:
        for name in [*known, *unknown]:
            request = f"GET /healthz HTTP/1.1\r\nhost: {name}\r\n".encode()
            expected = b"200" if name in known else b"403"
            assert status(connect(), request + CLOSE).split()[1] == expected, name

    serve(look, **settings)
