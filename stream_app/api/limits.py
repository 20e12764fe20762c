"""Limits what one client may take of the server, bytes of headers, time and connections, in uvicorn's protocol."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stream_app import telemetry
from stream_app.settings import ApiSettings

_AROUND_A_HEADER = len(": \r\n")
_MAX_PIPELINED = 32  # requests that wait for the one before; each takes some KiB, and browsers send none ahead
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux


@dataclass(frozen=True, slots=True)
class Limits:
    """``connections`` and those ``per_address``: 0 is no limit. ``idle_seconds``: without a request, or within one, its
    body included.
    """

    header_bytes: int
    idle_seconds: float
    connections: int
    connections_per_address: int

    @classmethod
    def from_settings(cls, settings: ApiSettings) -> Limits:
        return cls(
            settings.api_max_header_bytes,  # guarantee: header-bytes-are-a-setting
            settings.api_idle_seconds,  # guarantee: idle-time-is-a-setting
            settings.api_connections,  # guarantee: connections-are-a-setting
            settings.api_connections_per_address,  # guarantee: connections-per-address-are-a-setting
        )


class _Refused(Exception):
    """Stops the parser, which makes an HttpParserError of it; uvicorn calls ``send_400_response`` for that."""


def limited_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """The protocol class for ``uvicorn.Config(http=…)``; connections are counted over all servers that share it."""
    by_address: Counter[str] = Counter()

    class LimitedProtocol(HttpToolsProtocol):
        """Closes a connection whose headers are too large, whose requests take too long or are too many at once, or
        that is one too many.

        uvicorn limits none of it with httptools: its keep-alive timer begins after the first answer and stops with each
        byte, and it queues what is sent ahead without bound.
        """

        _address = ""
        _header_bytes = 0  # of a request whose headers are not complete
        _in_body = False  # between the headers of a request and its end
        _too_large = False
        _request_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._address = self.client[0] if self.client else ""
            by_address[self._address] += 1
            if _exceeds(len(self.connections), limits.connections):
                self._refuse("too many connections")
            elif _exceeds(by_address[self._address], limits.connections_per_address):
                self._refuse("too many connections from this address")
            else:
                _give_up_on_silence(transport, limits.idle_seconds)
                self._await_request()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_awaiting()
            by_address[self._address] -= 1
            if not by_address[self._address]:
                del by_address[self._address]
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            self._header_bytes += len(data)
            super().data_received(data)
            # guarantee: headers-are-limited
            if self._header_bytes > limits.header_bytes and not self.transport.is_closing():
                self._too_large = True
                self.send_400_response("")
            elif (self._header_bytes or self._in_body) and self._request_timer is None:  # guarantee: bodies-have-a-time
                self._await_request()

        def on_headers_complete(self) -> None:
            self._header_bytes = 0
            self._in_body = True
            if len(self.pipeline) >= _MAX_PIPELINED:  # guarantee: requests-sent-ahead-are-bounded
                telemetry.client_was_limited("pipelined")
                raise _Refused
            size = len(self.url) + sum(len(name) + len(value) + _AROUND_A_HEADER for name, value in self.headers)
            if size > limits.header_bytes:
                self._too_large = True
                raise _Refused
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._header_bytes = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._stop_awaiting()
            self._header_bytes = 0
            self._in_body = False
            super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            """uvicorn calls it for whatever the parser refuses."""
            if not self._too_large:
                super().send_400_response(msg)
                return
            telemetry.client_was_limited("header_bytes")
            self._close_with(b"431 Request Header Fields Too Large")

        def _refuse(self, why: str) -> None:
            telemetry.client_was_limited(why.replace(" ", "_"))
            self._close_with(b"503 Service Unavailable\r\nretry-after: 5")

        def _close_with(self, status: bytes) -> None:
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\ncache-control: no-store\r\n\r\n"
            )
            self.transport.close()

        def _await_request(self) -> None:
            # guarantee: idle-connections-end
            self._request_timer = self.loop.call_later(limits.idle_seconds, self._too_slow)

        def _stop_awaiting(self) -> None:
            if self._request_timer is not None:
                self._request_timer.cancel()
                self._request_timer = None

        def _too_slow(self) -> None:
            telemetry.client_was_limited("idle")
            self.transport.abort()  # close() would wait until the client has read what is buffered

        def timeout_keep_alive_handler(self) -> None:
            if not self.transport.is_closing():
                self.transport.abort()

    return LimitedProtocol


def _exceeds(count: int, limit: int) -> bool:
    return 0 < limit < count  # guarantee: connections-are-limited


def _give_up_on_silence(transport: Any, seconds: float) -> None:
    """A client that does not read, or has vanished, loses its connection: the kernel ends it."""
    connection = transport.get_extra_info("socket")
    if connection is not None and _TCP_USER_TIMEOUT is not None:
        with contextlib.suppress(OSError):  # not a TCP socket
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(seconds * 1000))
