"""Strangers take no more than the limits allow, and on the port of look-ups they find look-ups alone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any, cast

import httpx
import pytest
import uvicorn

from stream_app.api.app import create_app
from stream_app.api.limits import Limits, limited_protocol
from stream_app.api.live import LiveFeed
from stream_app.api.server import Server
from stream_app.ports import StoreUnavailable, SummaryStore
from stream_app.testing.reader import CannedSummaryReader
from tests.waiting import wait_until

GENEROUS = Limits(header_bytes=16_384, idle_seconds=30.0, connections=100, connections_per_address=0)
REQUEST = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"


class Served:
    """A server with a public and an internal port."""

    def __init__(self, server: Server, public: socket.socket, internal: socket.socket) -> None:
        self.server = server
        self.public, self.internal = (f"http://127.0.0.1:{one.getsockname()[1]}" for one in (public, internal))
        self._port = public.getsockname()[1]

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=10, source_address=(source, 0))

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    with ExitStack() as stack:

        def start(view: Any = None, **changed: Any) -> Served:
            store = cast(SummaryStore, view or CannedSummaryReader())
            limits = Limits(**{name: changed.get(name, getattr(GENEROUS, name)) for name in Limits.__slots__})
            feed = LiveFeed(store, lambda: 0, lambda: 1)
            public = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            internal = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            app = create_app(store, now_ms=lambda: 0, feed=feed, public_port=public.getsockname()[1])
            config = uvicorn.Config(
                app,
                http=limited_protocol(limits),
                log_config=None,
                access_log=False,
                timeout_keep_alive=max(1, int(limits.idle_seconds)),
            )
            server = Server(config, feed)
            thread = threading.Thread(target=lambda: asyncio.run(server.serve([public, internal])), daemon=True)
            thread.start()
            wait_until(lambda: server.started, 30, "the server has started")

            def stop() -> None:
                server.should_exit = True
                thread.join(10)

            stack.callback(stop)
            return Served(server, public, internal)

        yield start


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not part:
            return received
        received += part


def test_headers_without_end_are_refused_long_before_they_fill_the_memory(serve: Callable[..., Served]) -> None:
    served = serve()
    with closing(served.connect()) as connection:
        sent = connection.send(REQUEST + b"x: ")
        try:
            while sent < 50_000_000:
                sent += connection.send(b"a" * 65_536)
        except OSError:
            pass
        assert sent < 5_000_000
    wait_until(lambda: served.connections == 0, 30, "the connection is closed")


@pytest.mark.parametrize("many", [b"x: " + b"a" * 20_000 + b"\r\n", b"x: a\r\n" * 5_000])
def test_headers_above_the_limit_are_a_431(serve: Callable[..., Served], many: bytes) -> None:
    served = serve()
    with closing(served.connect()) as connection:
        connection.sendall(REQUEST + many + b"\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 431")


def test_headers_below_the_limit_are_answered(serve: Callable[..., Served]) -> None:
    headers = {f"x-{number}": "a" * 100 for number in range(100)}
    with httpx.Client(base_url=serve().public) as client:
        for _ in range(3):  # what one request had does not count for the next
            assert client.get("/healthz", headers=headers).status_code == 200


def test_connection_that_asks_nothing_is_closed(serve: Callable[..., Served]) -> None:
    served = serve(idle_seconds=0.3)
    with closing(served.connect()) as connection:
        assert answer(connection) == b""
    assert served.connections == 0


def test_request_that_never_gets_complete_is_closed(serve: Callable[..., Served]) -> None:
    served = serve(idle_seconds=0.5)
    with closing(served.connect()) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(200):  # a header now and then, without end
            try:
                connection.sendall(b"x: a\r\n")
            except OSError:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the request was waited for")


def test_kept_connection_that_asks_nothing_more_is_closed(serve: Callable[..., Served]) -> None:
    served = serve(idle_seconds=1.0)
    with closing(served.connect()) as connection:
        connection.sendall(REQUEST + b"\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 200")


def test_connections_beyond_the_limit_are_refused_and_places_come_free(serve: Callable[..., Served]) -> None:
    served = serve(connections=3)
    held = [served.connect() for _ in range(3)]
    wait_until(lambda: served.connections == 3, 30, "three connections are open")
    with closing(served.connect()) as fourth:
        assert answer(fourth).startswith(b"HTTP/1.1 503")
    held.pop().close()
    wait_until(lambda: served.connections == 2, 30, "a place is free")
    assert httpx.get(f"{served.public}/healthz").status_code == 200
    for one in held:
        one.close()


def test_one_address_does_not_take_the_place_of_others(serve: Callable[..., Served]) -> None:
    served = serve(connections_per_address=2)
    held = [served.connect() for _ in range(2)]
    wait_until(lambda: served.connections == 2, 30, "two connections are open")
    with closing(served.connect()) as third:
        assert answer(third).startswith(b"HTTP/1.1 503")
    with closing(served.connect("127.0.0.2")) as other:
        other.sendall(REQUEST + b"connection: close\r\n\r\n")
        assert answer(other).startswith(b"HTTP/1.1 200")
    for one in held:
        one.close()


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/metrics", "/v1/alerts", "/v1/events", "/static/page.js"]
)
def test_port_of_look_ups_has_look_ups_alone(serve: Callable[..., Served], path: str) -> None:
    served = serve()
    assert httpx.get(served.public + path).json()["type"] == "urn:stream-app:problem:not-public"
    with httpx.stream("GET", served.internal + path) as response:
        assert response.status_code == 200


def test_explanations_are_not_public(serve: Callable[..., Served]) -> None:
    served = serve()
    kinds = [
        httpx.post(port + "/v1/explain", json={"text": "a"}).json()["type"] for port in (served.public, served.internal)
    ]
    assert [one.rpartition(":")[2] for one in kinds] == ["not-public", "explain-is-off"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/products", "/v1/card.js"])
def test_both_ports_have_look_ups_and_health(serve: Callable[..., Served], path: str) -> None:
    served = serve()
    assert httpx.get(served.public + path).status_code == 200
    assert httpx.get(served.internal + path).status_code == 200


@pytest.mark.parametrize(
    "trick",
    [
        "/v1/products/../alerts",
        "/v1/products/%2e%2e/alerts",
        "//v1/alerts",
        "/V1/alerts",
        "/v1/products/p/slice%0A",
        "/v1/products/p/slice?window=24h",
        "/v1/products/p%2Fslice",
    ],
)
def test_no_spelling_of_a_path_leads_to_what_is_not_public(serve: Callable[..., Served], trick: str) -> None:
    served = serve()
    with closing(served.connect()) as connection:
        connection.sendall(f"GET {trick} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert answer(connection).startswith(b"HTTP/1.1 404")


def test_unreachable_store_is_a_503_that_names_no_server(serve: Callable[..., Served]) -> None:
    class Away(CannedSummaryReader):
        async def read(self, *_: Any) -> Any:
            raise StoreUnavailable("Redis cannot be used now: Error 111 connecting to redis.internal:6379")

    response = httpx.get(f"{serve(Away()).public}/v1/products/p/summary")
    assert response.status_code == 503
    assert "redis.internal" not in response.text


@pytest.mark.parametrize("before", [b"", REQUEST + b"\r\n"], ids=["first", "on a connection that answered before"])
def test_body_that_trickles_does_not_hold_its_connection(serve: Callable[..., Served], before: bytes) -> None:
    served = serve(idle_seconds=1.0)
    with closing(served.connect()) as connection:
        if before:
            connection.sendall(before)
            connection.recv(65_536)
        connection.sendall(REQUEST.replace(b"GET", b"POST") + b"content-length: 1000000\r\n\r\n")
        deadline = time.monotonic() + 30
        try:
            while time.monotonic() < deadline:
                connection.sendall(b"x")
                time.sleep(0.1)
        except OSError:
            pass
        assert time.monotonic() < deadline
    wait_until(lambda: served.connections == 0, 30, "the connection is closed")


def test_requests_sent_ahead_without_end_are_not_queued(serve: Callable[..., Served]) -> None:
    """Each takes some KiB while it waits; thousands of them fit into what is read at once."""
    served = serve()
    with closing(served.connect()) as connection:
        sent = 0
        try:
            while sent < 20_000_000:
                sent += connection.send((REQUEST + b"\r\n") * 1000)
        except OSError:
            pass
        assert sent < 10_000_000
    wait_until(lambda: served.connections == 0, 30, "the connection is closed")


def test_some_requests_sent_ahead_are_answered_in_order(serve: Callable[..., Served]) -> None:
    with closing(serve().connect()) as connection:
        connection.sendall((REQUEST + b"\r\n") * 20 + REQUEST + b"connection: close\r\n\r\n")
        assert answer(connection).count(b"HTTP/1.1 200 OK") == 21
