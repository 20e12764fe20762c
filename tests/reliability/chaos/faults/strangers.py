"""Strangers at the API: they send headers without end, hold connections, and take every stream of events."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.error import URLError

from tests.reliability.chaos.checker_view import look_up
from tests.reliability.chaos.faults.model import rss_mib
from tests.reliability.chaos.faults.table import NoEffect, fault, must, one_of, until
from tests.reliability.testbed.testbed import IDLE_SECONDS, Testbed

_SENDS_HEADERS, _HOLDS_CONNECTIONS, _TAKES_STREAMS = "127.0.0.2", "127.0.0.3", "127.0.0.4"
_HEADER_MIB, _MOST_SENT_MIB = 300, 16  # what the sockets' buffers take is sent before the refusal is known
_CONNECTIONS, _OF_AN_ADDRESS = 800, 256
_STREAMS, _STREAMS_OF_AN_ADDRESS = 250, 20
_MOST_GROWTH_MIB = 48.0
_LOOK_UP_SECONDS = 4.0


@fault("api", "strangers send headers without end, hold connections, take all streams", 2.0, holds_up=False, alone=True)
def _strangers(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Each address gets what the limits allow, and others are answered as always."""
    worker = one_of(testbed, "api", chance)
    until(lambda: testbed.is_ready(worker), 20.0, "the API was not ready")
    before_mib = rss_mib(worker.process.pid)
    with ExitStack() as stack, _looking_up(testbed) as slowest:
        connect = _Connect(testbed, stack)
        sent_mib = _send_headers(connect(_SENDS_HEADERS))
        held = [connect(_HOLDS_CONNECTIONS) for _ in range(_CONNECTIONS)]
        with suppress(NoEffect):  # the count is checked
            until(lambda: sum(not _is_closed(one) for one in held) <= _OF_AN_ADDRESS, 4.0, "")
        open_now = sum(not _is_closed(one) for one in held)
        streams = [connect(_TAKES_STREAMS) for _ in range(_STREAMS)]
        for one in streams:
            with suppress(OSError):  # refused already
                one.sendall(b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        until(lambda: all(map(_is_answered, streams)), 20.0, "not every request for a stream was answered")
        of_others = connect("127.0.0.1")
        of_others.sendall(b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        must(testbed, lambda: b" 200 " in _peeked(of_others)[:16], 5.0, "another address gets a stream of events")
        yield
        given = sum(b" 200 " in _peeked(one)[:16] for one in streams)
        grown_mib = rss_mib(worker.process.pid) - before_mib
        must(testbed, lambda: all(map(_is_closed, held)), 2 * IDLE_SECONDS + 5.0, "idle connections are closed")
    print(
        f"strangers: {sent_mib} MiB of headers sent, {open_now} idle connections, {given} streams, API grew by "
        f"{grown_mib:.0f} MiB, slowest look-up of others {slowest():.2f} s"
    )
    for name, found, most in (
        ("MiB of headers", sent_mib, _MOST_SENT_MIB),
        ("idle connections of an address", open_now, _OF_AN_ADDRESS),
        ("streams of an address", given, _STREAMS_OF_AN_ADDRESS),
        ("MiB that the API grew", grown_mib, _MOST_GROWTH_MIB),
        ("seconds of a look-up by others", slowest(), _LOOK_UP_SECONDS),
    ):
        if found > most:
            testbed.found_wrong(f"strangers: {found:.1f} {name}, more than {most}")
    if not given:
        raise NoEffect("the strangers had no stream")


class _Connect:
    """Connections to the API from an address of the loopback network; all are closed with the stack."""

    def __init__(self, testbed: Testbed, stack: ExitStack) -> None:
        settings = testbed.workers.settings
        self._target = settings.api_host, settings.api_port
        self._stack = stack

    def __call__(self, source: str) -> socket.socket:
        connection = socket.create_connection(self._target, timeout=10.0, source_address=(source, 0))
        return self._stack.enter_context(connection)


def _send_headers(connection: socket.socket) -> int:
    """MiB that were taken before the connection was ended."""
    some = b"x-h: " + b"a" * 4089 + b"\r\n"
    sent = 0
    with suppress(OSError):
        connection.sendall(b"GET /v1/products HTTP/1.1\r\nhost: localhost\r\n")
        while sent < _HEADER_MIB * 2**20:
            connection.sendall(some * 16)
            sent += len(some) * 16
    return sent // 2**20


def _peeked(connection: socket.socket) -> bytes:
    """The beginning of what came and was not read; empty where nothing did, or the connection is reset."""
    connection.setblocking(False)
    with suppress(OSError):
        return connection.recv(64, socket.MSG_PEEK)
    return b""


def _is_answered(connection: socket.socket) -> bool:
    return bool(_peeked(connection)) or _is_closed(connection)


def _is_closed(connection: socket.socket) -> bool:
    """Has the server ended it? What came before is read."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except OSError:  # reset
        return True
    return True


@contextmanager
def _looking_up(testbed: Testbed) -> Iterator[Callable[[], float]]:
    """Look-ups by another address all the time; the block is given the slowest so far, in seconds."""
    over, took = threading.Event(), [0.0]

    def ask() -> None:
        while not over.wait(0.05):
            began = time.monotonic()
            try:
                look_up(testbed.api, ["any"])
            except URLError as error:
                testbed.found_wrong(f"a look-up by others was not answered: {error}")
            took[0] = max(took[0], time.monotonic() - began)

    thread = threading.Thread(target=ask, name="look-ups by others", daemon=True)
    thread.start()
    try:
        yield lambda: took[0]
    finally:
        over.set()
        thread.join()
