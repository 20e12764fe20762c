"""Messages over HTTP, to real servers on loopback that answer well, badly, or not at all."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from standardwebhooks import Webhook

from stream_app.delivery import http_sender
from stream_app.delivery.http_sender import HttpSender, retry_after_ms
from stream_app.delivery.outcome import Outcome
from stream_app.delivery.receivers import HttpReceiver
from tests.integration.delivery.local_receiver import LocalReceiver, hang, status
from tests.unit.delivery.samples import SAFETY, notification

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = notification(SAFETY)


def send(url: str, **fields: Any) -> Awaitable[Outcome]:
    """One message over a sender of its own, to a private address unless ``allow_private`` says otherwise."""

    async def sent() -> Outcome:
        sender = HttpSender(HttpReceiver("a", "webhook", url, **{"allow_private": True, **fields}))
        try:
            return await sender.send(MESSAGE, time.time_ns() // 1_000_000)
        finally:
            await sender.close()

    return sent()


def outcome_of(receiver: LocalReceiver, **fields: Any) -> Outcome:
    async def run() -> Outcome:
        async with receiver:
            return await send(receiver.url, **fields)

    return asyncio.run(run())


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sender, "_TIMEOUT", aiohttp.ClientTimeout(total=0.3, connect=0.2))
    monkeypatch.setattr(http_sender, "_ANSWER_SECONDS", 0.2)


def test_message_arrives_and_its_signature_holds() -> None:
    receiver = LocalReceiver()

    assert outcome_of(receiver, secrets=(SECRET,)) == Outcome()

    [posted] = receiver.posted
    received = Webhook(SECRET).verify(posted.body, posted.headers)
    assert received["alerts"][0]["alert_id"] == SAFETY.alert_id
    assert (posted.headers["webhook-id"], posted.headers["content-type"]) == ("msg_1", "application/json")
    assert posted.headers["user-agent"].startswith("stream-app/")


@pytest.mark.parametrize("code", [400, 401, 404, 500, 503])
def test_other_status_is_a_failure(code: int) -> None:
    assert outcome_of(LocalReceiver([status(code)])) == Outcome(f"HTTP {code}", of_message=code == 400)


def test_receiver_that_asks_for_patience() -> None:
    assert outcome_of(LocalReceiver([status(429, Retry_After="7")])) == Outcome("HTTP 429", retry_after_ms=7_000)
    assert outcome_of(LocalReceiver([status(503, Retry_After="soon")])) == Outcome("HTTP 503")


def test_patience_may_be_a_date() -> None:
    assert retry_after_ms(formatdate(1_000_000_060, usegmt=True), 1_000_000_000_000) == 60_000
    assert retry_after_ms(formatdate(999_999_000, usegmt=True), 1_000_000_000_000) == 0
    assert retry_after_ms("9" * 99, 0) == 999_999_999_000
    assert [retry_after_ms(given, 0) for given in ("", "-1", "²", "1.5", "Fri, 99 Foo 2026 99:99:99 GMT")] == [None] * 5


def test_receiver_that_is_gone_says_so() -> None:
    assert outcome_of(LocalReceiver([status(410)])) == Outcome("HTTP 410", gone=True)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_no_redirect_is_followed(code: int) -> None:
    """Not to another host, which would get the alert and a signed request."""

    async def run() -> None:
        async with LocalReceiver() as other, LocalReceiver([status(code, Location=other.url)]) as receiver:
            outcome = await send(receiver.url)
            assert outcome.error == f"HTTP {code}: redirects are not followed, name the last address"
            assert len(receiver.posted) == 1
            assert other.posted == []

    asyncio.run(run())


def test_receiver_that_hangs_is_left_after_the_limit(short_limits: None) -> None:
    assert outcome_of(LocalReceiver([hang])) == Outcome("no answer in time")


def test_answer_without_an_end_is_not_waited_for(short_limits: None) -> None:
    """Its status says that it took the message."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    async def unfinished(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        return await hang(request)

    for answer in (endless, unfinished):
        assert outcome_of(LocalReceiver([answer])) == Outcome()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 999999999 OK\r\n\r\n",
    ],
    ids=["closes", "other protocol", "endless header", "wild status"],
)
def test_server_that_speaks_no_http_is_a_failure(raw: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    async def run() -> Outcome:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await send(f"http://127.0.0.1:{port}/")

    assert asyncio.run(run()).error.startswith("connection failed: ")


def test_port_that_nobody_listens_on_is_a_failure() -> None:
    async def run() -> Outcome:
        async with LocalReceiver() as receiver:
            url = receiver.url
        return await send(url)

    assert asyncio.run(run()).error.startswith("connection failed: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_private_address_is_refused_however_it_is_named(host: str) -> None:
    """The name is looked up like any other: what it leads to counts."""

    async def run() -> None:
        async with LocalReceiver() as receiver:
            url = receiver.url.replace("localhost", host)
            outcome = await send(url, allow_private=False)
            assert "is not a public address" in outcome.error or outcome.error.startswith("connection failed: ")
            assert receiver.posted == []

    asyncio.run(run())


def test_name_that_leads_to_a_private_address_by_then_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what is connected to is checked, not an answer from before."""

    async def run() -> None:
        async with LocalReceiver() as receiver:
            real = socket.getaddrinfo

            def rebound(host: Any, *rest: Any, **options: Any) -> Any:
                return real("127.0.0.1", *rest, **options)

            monkeypatch.setattr(socket, "getaddrinfo", rebound)
            outcome = await send(f"http://shop.example:{receiver.port}/", allow_private=False)
            assert outcome.error.startswith("connection failed: 127.0.0.1 is not a public address")
            assert receiver.posted == []
            assert await send(f"http://shop.example:{receiver.port}/") == Outcome()

    asyncio.run(run())


def test_name_server_that_hangs_holds_no_other_receiver_up(monkeypatch: pytest.MonkeyPatch, short_limits: None) -> None:
    """A look-up that was given up holds its thread for longer than the try."""
    hung, real = threading.Event(), socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **options: Any) -> Any:
        if host == "hangs.example":
            hung.wait(60)
        return real("127.0.0.1", *rest, **options)

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        hanging = HttpSender(HttpReceiver("a", "webhook", "http://hangs.example/", allow_private=True))
        async with LocalReceiver() as receiver:
            for _ in range(5):
                assert (await hanging.send(MESSAGE, 0)).error == "no answer in time"
            assert await send(receiver.url) == Outcome()
        await hanging.close()
        hung.set()

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    asyncio.run(run())


def tls_of(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


def test_certificate_is_verified(tmp_path: Path) -> None:
    authority, file = trustme.CA(), str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(file)

    assert outcome_of(LocalReceiver(tls=tls_of(authority, "localhost")), ca_file=file) == Outcome()
    for receiver, fields in (
        (LocalReceiver(tls=tls_of(authority, "localhost")), {}),
        (LocalReceiver(tls=tls_of(authority, "other.example")), {"ca_file": file}),
    ):
        assert outcome_of(receiver, **fields).error.startswith("its certificate is not trusted: ")
        assert receiver.posted == []


def test_error_never_holds_the_address() -> None:
    """Its path is the only secret of a Slack webhook; errors are logged, listed and published."""
    urls = [
        "http://localhost:1/T0/s3cret",
        "http://no-such-host.invalid/s3cret",
        "http://a..b/s3cret",
        "http://[x/s3cret",
    ]

    async def run() -> list[Outcome]:
        return [await send(url) for url in urls]

    outcomes = asyncio.run(run())
    assert all(one.error for one in outcomes)
    assert [one.error for one in outcomes if "s3cret" in one.error] == []
