"""The look-ups, as a client sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import httpx
import orjson
import pytest

from stream_app import contract
from stream_app.api.app import create_app
from stream_app.api.look_ups import asked_ids
from stream_app.records import EnrichedReview, Position
from stream_app.testing.reader import CannedSummaryReader
from stream_app.testing.store import MemorySummaryStore
from tests.schemas import validator
from tests.unit.api.samples import NOW_MS, alert, summary

HOUR_MS = 3_600_000


def get(
    view: CannedSummaryReader | MemorySummaryStore,
    path: str,
    *,
    now_ms: Callable[[], int] = lambda: NOW_MS,
    generation: int = 1,
    **headers: str,
) -> httpx.Response:
    async def ask() -> httpx.Response:
        app = create_app(view, now_ms=now_ms, generation=lambda: generation)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return asyncio.run(ask())


def test_known_product_answers_with_its_summary_as_the_contract_encodes_it() -> None:
    response = get(CannedSummaryReader(summary("B001")), "/v1/products/B001/summary")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"].startswith("public, max-age=1")
    assert response.content == contract.encode_product_summary(summary("B001"))


def test_unknown_product_answers_404_that_says_what_to_do() -> None:
    response = get(CannedSummaryReader(), "/v1/products/nobody/summary")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["type"] == "urn:stream-app:problem:unknown-product"
    assert "'nobody'" in body["detail"]
    assert "GET /v1/products" in body["next_step"]


@pytest.mark.parametrize(
    "product_id", ["a/b", "/a", "a//summary", "50% off", "a%2Fb", "茶 ☕", "a?b#c", "summary", "a,b"]
)
def test_product_ids_of_any_characters_are_found(product_id: str) -> None:
    response = get(CannedSummaryReader(summary(product_id)), f"/v1/products/{quote(product_id, safe='')}/summary")
    assert response.status_code == 200
    assert response.json()["product_id"] == product_id


def test_over_long_product_id_is_unknown_without_asking_the_store() -> None:
    view = CannedSummaryReader()
    assert get(view, f"/v1/products/{'x' * 129}/summary").status_code == 404
    assert view.trips == 0


def test_etag_that_still_holds_answers_304_without_a_body() -> None:
    view = CannedSummaryReader(summary("p"))
    tag = get(view, "/v1/products/p/summary").headers["etag"]
    for asked in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        response = get(view, "/v1/products/p/summary", If_None_Match=asked)
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)


def test_etag_changes_with_state_text_generation_and_hour() -> None:
    first = get(CannedSummaryReader(summary("p")), "/v1/products/p/summary").headers["etag"]
    text = summary("p").text
    assert text is not None
    others = [
        get(CannedSummaryReader(summary("p", version=2)), "/v1/products/p/summary"),
        get(CannedSummaryReader(summary("p", text=replace(text, made_at_ms=NOW_MS + 1))), "/v1/products/p/summary"),
        get(CannedSummaryReader(summary("p")), "/v1/products/p/summary", generation=2),
        get(CannedSummaryReader(summary("p")), "/v1/products/p/summary", now_ms=lambda: NOW_MS + HOUR_MS),
    ]
    assert len({first, *(r.headers["etag"] for r in others)}) == 5
    assert (
        get(CannedSummaryReader(summary("p")), "/v1/products/p/summary", now_ms=lambda: NOW_MS + 1).headers["etag"]
        == first
    )


@pytest.mark.parametrize(
    "path", ["/v1/products/p/summary", "/v1/products?ids=p", "/v1/products", "/v1/alerts", "/readyz"]
)
def test_store_away_answers_503_with_retry_after(path: str) -> None:
    view = CannedSummaryReader(summary("p"))
    view.away = True
    response = get(view, path)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert response.json()["type"] == "urn:stream-app:problem:store-unavailable"
    assert "connection refused" not in response.text  # the log has it: strangers learn nothing of the inside


def test_process_is_alive_while_the_store_is_away() -> None:
    view = CannedSummaryReader()
    view.away = True
    assert get(view, "/healthz").json() == {"status": "alive"}


def test_ready_says_the_latency_of_the_store() -> None:
    body = get(CannedSummaryReader(), "/readyz").json()
    assert body["status"] == "ready"
    assert body["store_latency_ms"] >= 0


def test_many_products_come_in_one_trip_in_the_order_asked_with_the_unknown_named() -> None:
    view = CannedSummaryReader(summary("a"), summary("b"))
    response = get(view, "/v1/products?ids=b,nobody&ids=a,b")
    assert [p["product_id"] for p in response.json()["products"]] == ["b", "a"]
    assert response.json()["unknown"] == ["nobody"]
    assert view.trips == 1


def test_without_ids_the_most_recently_changed_come() -> None:
    view = CannedSummaryReader(summary("a"), summary("b"), summary("c"))
    assert [p["product_id"] for p in get(view, "/v1/products?limit=2").json()["products"]] == ["a", "b"]


def test_only_empty_ids_are_no_ids() -> None:
    assert asked_ids("ids=,&id=&limit=3") == []


def test_id_is_taken_as_it_is_while_ids_are_split_at_commas() -> None:
    assert asked_ids("id=a%2Cb&ids=c%2Cd,a+b%20c&ids=c&other=x") == ["a,b", "c", "d", "a b c"]


def test_more_than_a_hundred_products_are_refused() -> None:
    view = CannedSummaryReader()
    response = get(view, "/v1/products?ids=" + ",".join(map(str, range(101))))
    assert response.status_code == 400
    assert "at most 100" in response.json()["next_step"]
    assert view.trips == 0


@pytest.mark.parametrize("path", ["/v1/products?limit=0", "/v1/alerts?limit=many"])
def test_wrong_parameter_is_named(path: str) -> None:
    response = get(CannedSummaryReader(), path)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("limit: ")


def test_recent_alerts_come_newest_first_up_to_the_limit() -> None:
    view = CannedSummaryReader(alerts=[alert("new"), alert("old"), alert("oldest")])
    body = get(view, "/v1/alerts?limit=2").json()
    assert [a["alert_id"] for a in body["alerts"]] == ["new", "old"]


def test_unknown_address_is_a_problem_too() -> None:
    response = get(CannedSummaryReader(), "/v2")
    assert response.status_code == 404
    assert "/docs" in response.json()["next_step"]


def test_metrics_count_by_route_and_never_by_product() -> None:
    get(CannedSummaryReader(summary("secret-product")), "/v1/products/secret-product/summary")
    text = get(CannedSummaryReader(), "/metrics").text
    assert 'stream_app_api_seconds_count{route="/v1/products/{product_id:path}/summary",status="200"}' in text
    assert "secret-product" not in text


def test_openapi_describes_the_summary_by_its_schema_file() -> None:
    document = get(CannedSummaryReader(), "/openapi.json").json()
    answer = document["paths"]["/v1/products/{product_id}/summary"]["get"]["responses"]["200"]
    documented = answer["content"]["application/json"]["schema"]
    assert documented["properties"] == orjson.loads(orjson.dumps(contract.schema("product-summary.v1")))["properties"]


def test_review_that_grows_old_leaves_the_window_and_changes_the_etag_though_nothing_was_applied() -> None:
    store = MemorySummaryStore()
    review = EnrichedReview("created", "p", "r1", 0, 1, NOW_MS, NOW_MS, Position("reviews", 0, 0), rating=1)
    asyncio.run(store.apply([review], NOW_MS))
    early = get(store, "/v1/products/p/summary")
    late = get(store, "/v1/products/p/summary", now_ms=lambda: NOW_MS + 25 * HOUR_MS)
    assert [answer.json()["windows"]["24h"]["reviews"] for answer in (early, late)] == [1, 0]
    assert [answer.json()["windows"]["7d"]["reviews"] for answer in (early, late)] == [1, 1]
    assert early.headers["etag"] != late.headers["etag"]


def test_answers_from_a_lost_view_say_so() -> None:
    """Counts are too low until it is made again; an answer of before must not pass for one of now."""

    async def ask() -> list[httpx.Response]:
        app = create_app(
            CannedSummaryReader(summary("p"), alerts=[alert("a")]), now_ms=lambda: NOW_MS, stale=lambda: True
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            paths = ("products/p/summary", "products?ids=p,x", "alerts", "products/x/summary")
            return [await client.get(path) for path in (*(f"/v1/{path}" for path in paths), "/readyz")]

    one, many, alerts, unknown, ready = asyncio.run(ask())
    sound = get(CannedSummaryReader(summary("p")), "/v1/products/p/summary")
    assert one.json() == sound.json() | {"stale": True}
    validator("product-summary.v1").validate(one.json())
    assert one.headers["etag"] != sound.headers["etag"]
    assert one.headers["cache-control"] == "no-cache"
    assert (many.json()["stale"], many.json()["products"][0]["stale"], alerts.json()["stale"]) == (True, True, True)
    assert (unknown.status_code, ready.status_code) == (404, 200)
    assert "being restored" in unknown.json()["detail"], "shoppers run no operators' commands"
    assert "`" not in unknown.json()["detail"] + unknown.json()["next_step"]
    assert ready.json()["stale"]
    assert "stream-app rebuild" in ready.json()["next_step"]


def test_answers_from_a_sound_view_say_nothing_of_it() -> None:
    for path in ("/v1/products/p/summary", "/v1/products?ids=p", "/v1/alerts", "/readyz"):
        assert "stale" not in get(CannedSummaryReader(summary("p")), path).json()
