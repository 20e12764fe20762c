"""POST /v1/explain: what it answers, what it refuses, and that it never holds look-ups back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema_rs
import orjson
import pytest

from stream_app.api.app import create_app
from stream_app.api.explain import MAX_BODY_BYTES, Explanations
from stream_app.api.routes import openapi
from stream_app.testing.explainer import FakeExplainer
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import NOW_MS

JSON = {"content-type": "application/json"}
PATH = "/v1/explain"


@pytest.fixture
def explainer() -> Iterator[FakeExplainer]:
    fake = FakeExplainer()
    yield fake
    fake.gate.set()


@asynccontextmanager
async def client_of(explainer: FakeExplainer | None, **limits: Any) -> AsyncIterator[httpx.AsyncClient]:
    explanations = None if explainer is None else Explanations(explainer, **limits)
    app = create_app(CannedSummaryReader(), now_ms=lambda: NOW_MS, explanations=explanations)
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            yield client
    finally:
        if explanations is not None:
            explanations.close()


def ask(explainer: FakeExplainer | None, body: Any, headers: dict[str, str] = JSON) -> httpx.Response:
    async def send() -> httpx.Response:
        async with client_of(explainer) as client:
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            return await client.post(PATH, content=content, headers=headers)

    return asyncio.run(send())


def test_review_is_explained_and_never_cached(explainer: FakeExplainer) -> None:
    answer = ask(explainer, {"text": "Broke today", "title": "Bad", "language": "en", "words": True})

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["sentiment"]["label"] == "negative"
    assert answer.json()["words"]["weights"][0]["word"] == "Broke"
    assert ask(explainer, {"text": "Broke today"}).json()["words"] is None


def test_answer_is_what_the_description_says(explainer: FakeExplainer) -> None:
    operation = openapi("1")["paths"][PATH]["post"]
    asked = {"text": "Broke today", "words": True}
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]

    jsonschema_rs.validator_for(request).validate(asked)
    jsonschema_rs.validator_for(described).validate(ask(explainer, asked).json())
    assert set(described["properties"]) == set(ask(explainer, asked).json())


def test_off_it_says_how_to_switch_it_on() -> None:
    answer = ask(None, {"text": "Broke"})

    assert answer.status_code == 404
    assert "STREAM_APP_API_EXPLAIN" in answer.json()["next_step"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b'{"text": null}',
        b'{"text": 1}',
        b'{"text": "\\ud800"}',
        b'{"text": "a", "words": 1}',
        b'{"text": "a", "title": []}',
        b'{"text": "a", "language": {}}',
        b"[" * 100_000,
        b'{"text": "\xff"}',
    ],
)
def test_malformed_body_is_a_400_that_shows_a_good_one(explainer: FakeExplainer, body: bytes) -> None:
    answer = ask(explainer, body)

    assert answer.status_code == 400
    assert '"text"' in answer.json()["next_step"]
    assert not explainer.asked


def test_body_of_another_kind_is_refused(explainer: FakeExplainer) -> None:
    """A page of another origin could send it without asking."""
    assert ask(explainer, {"text": "a"}, {"content-type": "text/plain"}).status_code == 415
    assert ask(explainer, {"text": "a"}, {}).status_code == 415
    assert ask(explainer, {"text": "a"}, {"content-type": "Application/JSON; charset=utf-8"}).status_code == 200


def test_body_that_is_too_large_is_refused_before_it_is_read_to_its_end(explainer: FakeExplainer) -> None:
    sent = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"a" * 1024

    async def send() -> httpx.Response:
        async with client_of(explainer) as client:
            return await client.post(PATH, content=parts(), headers=JSON)

    assert asyncio.run(send()).status_code == 413
    assert sent <= MAX_BODY_BYTES // 1024 + 1
    assert ask(explainer, {"text": "\\" * 20_000}).status_code == 200


def test_review_that_cannot_be_explained_is_a_422_with_the_next_step(explainer: FakeExplainer) -> None:
    answer = ask(explainer, {"text": ""})

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:stream-app:problem:empty-text")
    assert answer.json()["next_step"] == "Give a text."


def test_too_many_at_once_are_a_503_while_the_others_wait_their_turn(explainer: FakeExplainer) -> None:
    """One is computed at a time, and look-ups are answered meanwhile."""
    explainer.gate.clear()

    async def send() -> tuple[list[httpx.Response], httpx.Response, httpx.Response]:
        async with client_of(explainer, max_waiting=2) as client:
            asked = [
                asyncio.create_task(client.post(PATH, content=orjson.dumps({"text": name}), headers=JSON))
                for name in "abcd"
            ]
            done, _ = await asyncio.wait(asked, timeout=30, return_when=asyncio.FIRST_COMPLETED)
            [refused] = done
            look_up = await client.get("/v1/products")
            explainer.gate.set()
            return [(await one) for one in asked if one not in done], refused.result(), look_up

    answers, refused, look_up = asyncio.run(send())

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert look_up.status_code == 200
    assert [one.status_code for one in answers] == [200, 200, 200]
    assert explainer.asked == ["a", "b", "c"]


def test_explanation_that_takes_too_long_is_a_503_and_frees_its_place(explainer: FakeExplainer) -> None:
    explainer.gate.clear()

    async def send() -> tuple[httpx.Response, httpx.Response]:
        async with client_of(explainer, max_waiting=0, max_seconds=0.05) as client:
            slow = await client.post(PATH, content=b'{"text": "a"}', headers=JSON)
            explainer.gate.set()
            while (quick := await client.post(PATH, content=b'{"text": "b"}', headers=JSON)).status_code == 503:
                await asyncio.sleep(0.001)
            return slow, quick

    slow, quick = asyncio.run(send())

    assert (slow.status_code, slow.headers["retry-after"]) == (503, "5")
    assert quick.status_code == 200


def test_what_is_computed_is_given_up_when_the_server_ends(explainer: FakeExplainer) -> None:
    explainer.gate.clear()

    async def end() -> bool:
        async with client_of(explainer) as client:
            asked = asyncio.create_task(client.post(PATH, content=b'{"text": "a"}', headers=JSON))
            while not explainer.asked:
                await asyncio.sleep(0.001)
        return (await asked).status_code == 503

    assert asyncio.run(end())


def test_api_without_it_loads_no_model_library() -> None:
    """Look-ups start fast and stay small."""
    program = (
        "import sys, stream_app.api.server, stream_app.api.explain, stream_app.commands.workers; "
        "sys.exit(bool({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
