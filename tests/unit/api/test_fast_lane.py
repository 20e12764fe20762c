"""A summary asked for by the fast lane is answered as by the usual way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from stream_app.api.app import create_app
from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.records import ProductSummary
from tests.unit.api.stub_view import NOW_MS, StubView, summary

PATH = "/v1/products/p/summary"


class TimedOut(StoreUnavailable):
    """A kind of outage that the API's handlers do not name."""


class FailingView(StubView):
    """Every read raises ``error``."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        """Never answers."""
        raise self.error


def ask(app: FastAPI, method: str = "GET") -> httpx.Response:
    """The answer to one request for PATH."""

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, PATH)

    return asyncio.run(send())


def app_on(view: StubView) -> FastAPI:
    return create_app(view, now_ms=lambda: NOW_MS)


def test_summary_takes_the_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI's own way to the route is not gone."""
    monkeypatch.setattr(APIRoute, "handle", lambda *_: pytest.fail("the usual way"))

    assert ask(app_on(StubView(summary("p")))).json()["product_id"] == "p"


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ConfigurationError("refused"), TimedOut("away")])
def test_errors_of_the_store_are_a_503(error: Exception) -> None:
    """Those that the API names, and kinds of them."""
    response = ask(app_on(FailingView(error)))

    assert response.status_code == 503
    assert response.json()["type"] == "urn:stream-app:problem:store-unavailable"


def test_bug_is_not_hidden() -> None:
    """It goes on to whoever logs it."""
    with pytest.raises(ZeroDivisionError):
        ask(app_on(FailingView(ZeroDivisionError())))


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
def test_other_methods_are_refused_the_usual_way(method: str) -> None:
    """With the methods that there are."""
    response = ask(app_on(StubView(summary("p"))), method)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET"
