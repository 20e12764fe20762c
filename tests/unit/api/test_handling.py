"""POST /v1/alerts/{alert_id}:acknowledge and the others: what they answer, refuse and show to everybody."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
import orjson
import pytest

from stream_app.api.app import create_app
from stream_app.api.live import LiveFeed
from stream_app.api.routes import openapi
from stream_app.testing.reader import CannedSummaryReader
from tests.schemas import validator
from tests.unit.api.samples import NOW_MS, alert
from tests.unit.api.test_live import next_events

ID = "negative_review|p%2F1|r 1"
PATH = f"/v1/alerts/{quote(ID, safe='')}"
JSON = {"content-type": "application/json"}
UNTIL = "2025-10-09T09:53:20.000Z"
ANA = {"acknowledge": {"by": " Ana ", "note": "asked"}, "mute": {"by": "Ana", "until": UNTIL}}
UNDO: dict[str, Any] = {"unacknowledge": {}, "unmute": {"by": "Ana"}}


@pytest.fixture
def view() -> CannedSummaryReader:
    return CannedSummaryReader(alerts=[alert(ID), alert("other", product_id="q")])


def ask(view: CannedSummaryReader, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """POST where there is a body."""

    async def send() -> httpx.Response:
        app = create_app(view, now_ms=lambda: NOW_MS)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            if body is None:
                return await client.get(path)
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            return await client.post(path, content=content, headers=JSON | headers)

    return asyncio.run(send())


def listed(view: CannedSummaryReader) -> dict[str, tuple[Any, Any]]:
    alerts = ask(view, "/v1/alerts").json()["alerts"]
    return {one["alert_id"]: (one["acknowledged"], one["muted"]) for one in alerts}


def test_acknowledged_alert_says_by_whom_since_when_and_why_until_it_is_taken_back(view: CannedSummaryReader) -> None:
    answer = ask(view, f"{PATH}:acknowledge", ANA["acknowledge"])
    by_ana = {"by": "Ana", "at": "2025-10-09T08:53:20.000Z", "note": "asked"}

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["acknowledged"] == by_ana
    assert listed(view) == {ID: (by_ana, None), "other": (None, None)}
    assert ask(view, f"{PATH}:acknowledge", {"by": "Bo"}).json()["acknowledged"] == by_ana
    assert ask(view, f"{PATH}:unacknowledge", {}).json()["acknowledged"] is None
    assert listed(view)[ID] == (None, None)


def test_muted_alert_says_until_when(view: CannedSummaryReader) -> None:
    answer = ask(view, f"{PATH}:mute", ANA["mute"])

    assert answer.json()["muted"] == {"by": "Ana", "until": UNTIL, "note": None}
    assert listed(view) == {ID: (None, answer.json()["muted"]), "other": (None, None)}
    assert ask(view, f"{PATH}:unmute", {}).json()["muted"] is None


@pytest.mark.parametrize("action", [*ANA, *UNDO])
def test_answers_and_requests_are_what_the_description_says(view: CannedSummaryReader, action: str) -> None:
    operation = openapi("1")["paths"][f"/v1/alerts/{{alert_id}}:{action}"]["post"]
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    body = (ANA | UNDO)[action]
    answer = ask(view, f"{PATH}:{action}", body).json()

    jsonschema_rs.validator_for(request).validate(body)
    jsonschema_rs.validator_for(described).validate(answer)
    validator("alert.v1").validate(answer)
    assert answer["alert_id"] == ID
    assert set(described["required"]) <= set(answer)


@pytest.mark.parametrize("action", [*ANA, *UNDO])
def test_unknown_alert_is_a_404_that_says_what_to_do(view: CannedSummaryReader, action: str) -> None:
    answer = ask(view, f"/v1/alerts/nobody:{action}", (ANA | UNDO)[action])

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:stream-app:problem:unknown-alert"
    assert "GET /v1/alerts" in answer.json()["next_step"]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("acknowledge", {}),
        ("acknowledge", {"by": "  "}),
        ("acknowledge", {"by": 1}),
        ("acknowledge", {"by": "a" * 101}),
        ("acknowledge", {"by": "Ana\x1b[2J"}),
        ("acknowledge", {"by": "Ana", "note": "a" * 501}),
        ("acknowledge", {"by": "Ana", "until": UNTIL}),
        ("acknowledge", b"["),
        ("acknowledge", b"[]"),
        ("unacknowledge", {"by": ""}),
        ("mute", {"by": "Ana"}),
        ("mute", {"until": UNTIL}),
        ("mute", {"by": "Ana", "until": "tomorrow"}),
        ("mute", {"by": "Ana", "until": "2025-10-09T08:53:20.000Z"}),
        ("mute", {"by": "Ana", "until": "2025-11-08T08:53:20.001Z"}),
        ("mute", {"by": "Ana", "until": 9_999_999_999}),
        ("unmute", {"until": UNTIL}),
    ],
)
def test_malformed_body_is_a_400_that_changes_nothing(view: CannedSummaryReader, action: str, body: Any) -> None:
    answer = ask(view, f"{PATH}:{action}", body)

    assert answer.status_code == 400
    assert "Send {" in answer.json()["next_step"]
    assert listed(view)[ID] == (None, None)


def test_longest_mute_and_longest_words_are_taken(view: CannedSummaryReader) -> None:
    body = {"by": "a" * 100, "note": "é\n" * 250, "until": "2025-11-08T08:53:20Z"}

    assert ask(view, f"{PATH}:mute", body).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://test"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"origin": "http://test"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "https://behind-a-proxy.example"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({}, 200),
    ],
)
def test_page_of_another_origin_does_nothing(view: CannedSummaryReader, headers: dict[str, str], status: int) -> None:
    """Whoever is on the page of a stranger would acknowledge alerts without knowing."""
    assert ask(view, f"{PATH}:acknowledge", {"by": "Ana"}, **headers).status_code == status
    assert (listed(view)[ID][0] is not None) == (status == 200)


def test_port_of_look_ups_handles_no_alerts(view: CannedSummaryReader) -> None:
    async def send() -> int:
        app = create_app(view, now_ms=lambda: NOW_MS, public_port=8001)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test:8001") as client:
            answer = await client.post(f"{PATH}:acknowledge", content=b'{"by": "Ana"}', headers=JSON)
            return answer.status_code

    assert asyncio.run(send()) == 404
    assert listed(view)[ID] == (None, None)


def test_open_pages_hear_of_it_and_of_the_end_of_a_mute(view: CannedSummaryReader) -> None:
    async def scenario() -> None:
        now_ms = NOW_MS
        feed = LiveFeed(view, lambda: now_ms, lambda: 1, interval_seconds=0.01)
        async with aclosing(feed.events()) as stream:
            assert len(await next_events(stream)) == 3
            await asyncio.to_thread(ask, view, f"{PATH}:mute", ANA["mute"])
            [(name, muted)] = await next_events(stream)
            assert (name, muted["alert_id"], muted["muted"]["by"]) == ("alert", ID, "Ana")
            now_ms += 3_600_000
            [(_, ended)] = await next_events(stream)
            assert (ended["alert_id"], ended["muted"]) == (ID, None)

    asyncio.run(scenario())


def test_away_store_is_a_503(view: CannedSummaryReader) -> None:
    view.away = True

    assert ask(view, f"{PATH}:acknowledge", {"by": "Ana"}).status_code == 503
