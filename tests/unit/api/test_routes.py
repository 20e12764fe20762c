"""Errors and methods of the routes, and that the description names exactly the routes that there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import orjson
import pytest

from stream_app.api.app import Api, create_app
from stream_app.api.look_ups import MAX_ALERTS, MAX_PRODUCTS
from stream_app.api.routes import ApiRoute, openapi
from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.records import ProductSummary
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import NOW_MS, summary

PATH = "/v1/products/p/summary"


class TimedOut(StoreUnavailable):
    """A kind of outage that the API's handlers do not name."""


class FailingView(CannedSummaryReader):
    """Every read raises ``error``."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        """Never answers."""
        raise self.error


def ask(app: Api, method: str = "GET", path: str = PATH) -> httpx.Response:
    """The answer to one request."""

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path)

    return asyncio.run(send())


def app_on(view: CannedSummaryReader) -> Api:
    return create_app(view, now_ms=lambda: NOW_MS)


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
    response = ask(app_on(CannedSummaryReader(summary("p"))), method)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET"


def test_description_names_every_route_but_the_files_of_the_page() -> None:
    described = {(path, method.upper()) for path, one in openapi("1")["paths"].items() for method in one}
    routes = [one for one in app_on(CannedSummaryReader()).routes if isinstance(one, ApiRoute)]
    of_the_page = ("/static/", "/docs")

    assert described == {
        (one.path_format, method)
        for one in routes
        for method in one.methods or ()
        if one.path != "/" and not one.path.startswith(of_the_page)
    }


@pytest.mark.parametrize(("path", "most"), [("/v1/products", MAX_PRODUCTS), ("/v1/alerts", MAX_ALERTS)])
def test_description_names_the_limits_that_are_checked(path: str, most: int) -> None:
    [limit] = [one for one in openapi("1")["paths"][path]["get"]["parameters"] if one["name"] == "limit"]
    operations = [f"{path}?limit={number}" for number in (0, 1, most, most + 1)]

    assert (limit["schema"]["minimum"], limit["schema"]["maximum"]) == (1, most)
    assert [ask(app_on(CannedSummaryReader()), path=one).status_code for one in operations] == [400, 200, 200, 400]


def test_description_describes_a_problem_as_it_is_answered() -> None:
    answers = openapi("1")["paths"]["/v1/products/{product_id}/summary"]["get"]["responses"]["404"]["content"]
    problem = ask(app_on(CannedSummaryReader()))

    assert list(answers) == [problem.headers["content-type"]]
    assert answers["application/problem+json"]["schema"]["required"] == list(problem.json())


def test_description_needs_no_other_file() -> None:
    assert b".schema.json" not in orjson.dumps(openapi("1")["paths"])
