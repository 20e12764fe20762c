"""A stranger's page whose name resolves to this machine (DNS rebinding) reads nothing internal, and does nothing."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import httpx
import pytest
from pydantic import ValidationError
from starlette.types import Message

from stream_app.api.app import create_app
from stream_app.api.known_hosts import known_names
from stream_app.settings import Settings
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import NOW_MS, alert, summary

ID = "negative_review|p|r1"
ALERTS = "/v1/alerts"
MUTE = f"{ALERTS}/{quote(ID, safe='')}:mute"
EVIL = "evil.example:8081"
PUBLIC_PORT = 8080


@pytest.fixture
def view() -> CannedSummaryReader:
    return CannedSummaryReader(summary("p"), alerts=[alert(ID)])


def ask(
    view: CannedSummaryReader,
    path: str,
    host: str,
    listens_on: str = "127.0.0.1",
    setting: tuple[str, ...] = (),
    port: int = 8081,
) -> httpx.Response:
    """As the browser of an operator asks for the page that it got by this host. A POST mutes."""

    async def send() -> httpx.Response:
        names = known_names(listens_on, setting)
        app = create_app(view, now_ms=lambda: NOW_MS, public_port=PUBLIC_PORT, known_names=names)
        headers = {"host": host, "sec-fetch-site": "same-origin"}
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url, headers=headers) as client:
            if path != MUTE:
                return await client.get(path)
            body = {"by": "Eve", "until": "2025-10-09T09:53:20.000Z"}
            return await client.post(path, json=body, headers={"origin": f"http://{host}"})

    return asyncio.run(send())


@pytest.mark.parametrize("listens_on", ["127.0.0.1", "127.0.1.1", "::1"])
@pytest.mark.parametrize("path", [ALERTS, MUTE, "/", "/metrics", "/v1/products/p/summary"])
def test_unknown_name_on_loopback_reads_no_alerts_and_mutes_none(
    view: CannedSummaryReader, path: str, listens_on: str
) -> None:
    answer = ask(view, path, EVIL, listens_on)

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:stream-app:problem:unknown-host"
    assert EVIL in answer.json()["detail"]
    assert "STREAM_APP_API_INTERNAL_ALLOWED_HOSTS" in answer.json()["next_step"]
    assert ask(view, ALERTS, "localhost").json()["alerts"][0]["muted"] is None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8081",
        "127.0.0.1:8081",
        "192.0.2.7",
        "[::1]:8081",
        "[2001:db8::1]",
        "console.shop.example",
    ],
)
@pytest.mark.parametrize("path", [ALERTS, MUTE])
def test_localhost_addresses_and_names_of_the_setting_are_known(
    view: CannedSummaryReader, path: str, host: str
) -> None:
    assert ask(view, path, host, setting=("console.shop.example",)).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8081",
        "localhost.evil.example",
        "evil.example.localhost",
        "127.0.0.1.evil.example",
        "console.shop.example.evil.example",
        "evil.console.shop.example",
        "localhost@evil.example",
        "evil.example, localhost",
        "[evil.example]",
        "::1",
        "1.2.3",
        "localhost:8081:8081",
        "localhost\n",
    ],
)
def test_what_only_resembles_a_known_name_is_refused(view: CannedSummaryReader, host: str) -> None:
    assert ask(view, ALERTS, host, setting=("console.shop.example",)).status_code == 403


@pytest.mark.parametrize(
    ("listens_on", "setting", "status"),
    [
        ("0.0.0.0", (), 200),
        ("::", (), 200),
        ("10.0.0.7", (), 200),
        ("0.0.0.0", ("console.shop.example",), 403),
        ("0.0.0.0", ("*",), 200),
        ("127.0.0.1", ("*",), 200),
    ],
)
def test_other_addresses_are_asked_by_any_name_unless_the_setting_names_some(
    view: CannedSummaryReader, listens_on: str, setting: tuple[str, ...], status: int
) -> None:
    """Load balancers and Kubernetes use names that we do not know."""
    assert ask(view, ALERTS, EVIL, listens_on, setting).status_code == status


def test_port_of_look_ups_is_asked_by_any_name(view: CannedSummaryReader) -> None:
    """A proxy on the same machine passes on the shop's name; alerts are not there."""
    assert ask(view, "/v1/products/p/summary", "reviews.shop.example", port=PUBLIC_PORT).status_code == 200
    assert ask(view, ALERTS, "reviews.shop.example", port=PUBLIC_PORT).status_code == 404


@pytest.mark.parametrize(("hosts", "status"), [([], 200), ([b"localhost", b"evil.example"], 403)])
def test_request_without_host_is_answered_and_with_two_only_where_both_are_known(
    view: CannedSummaryReader, hosts: list[bytes], status: int
) -> None:
    """Health checks over HTTP/1.0 send none; browsers send one."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    app = create_app(view, now_ms=lambda: NOW_MS, known_names=known_names("127.0.0.1", ()))
    headers = [(b"host", host) for host in hosts]
    scope = {"type": "http", "method": "GET", "path": "/healthz", "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))

    assert sent[0]["status"] == status


@pytest.mark.parametrize(
    ("value", "names"),
    [("", ()), ("*", ("*",)), ("a.example", ("a.example",)), ("A.example, b_1", ("a.example", "b_1"))],
)
def test_setting_is_a_list_of_names(value: str, names: tuple[str, ...]) -> None:
    assert Settings(api_internal_allowed_hosts=value).internal_allowed_hosts == names


@pytest.mark.parametrize("value", ["a.example:8081", "http://a.example", "*,a.example", "*.a.example", "a.example b"])
def test_setting_takes_nothing_else(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(api_internal_allowed_hosts=value)
