from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from stream_app.embedded.free_port import free_port


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_preferred_port_is_taken_silently_when_it_is_free() -> None:
    said: list[str] = []
    preferred = free_port(0, "Valkey", said.append)

    assert free_port(preferred, "Valkey", said.append) == preferred
    assert said == []


def test_busy_port_is_replaced_and_it_is_said(busy_port: int) -> None:
    said: list[str] = []

    chosen = free_port(busy_port, "Valkey", said.append)

    assert chosen != busy_port
    assert said == [f"Port {busy_port} is busy: Valkey listens on {chosen} instead."]
    socket.create_server(("127.0.0.1", chosen)).close()


def test_port_promised_to_someone_else_is_not_given_twice() -> None:
    candidates = range(20_000, 20_002)

    assert free_port(20_000, "Kafka", print, taken={20_000}, candidates=candidates) == 20_001


def test_no_free_port_says_what_to_do(busy_port: int) -> None:
    with pytest.raises(OSError, match="stop what holds them"):
        free_port(0, "Valkey", print, candidates=range(busy_port, busy_port + 1))
