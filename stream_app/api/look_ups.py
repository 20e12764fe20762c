"""The /v1 routes: a product's summary, many at once, recent alerts; one or two trips to the store each."""

from __future__ import annotations  # guarantee: reads-need-no-broker

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import unquote_plus

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from stream_app import contract
from stream_app.api import problems
from stream_app.ports import SummaryReader
from stream_app.records import ProductSummary

MAX_PRODUCTS = 100
MAX_ALERTS = 200
_MAX_ID_CHARACTERS = 128
_HOUR_MS = 3_600_000

# One second: a product page under load asks its cache, and still shows a review within seconds.
# A cache may go on serving what it has for a minute while we are away.
_CACHE_CONTROL = "public, max-age=1, stale-if-error=60"


def etag(summary: ProductSummary, generation: int, stale: bool = False) -> str:
    """Weak ETag: changes with every change of the state, of the text, when an hour leaves or enters a window, and when
    the view is lost.
    """
    made_at = summary.text.made_at_ms if summary.text else 0
    lost = ".stale" if stale else ""
    return f'W/"{generation}.{summary.state_version}.{summary.as_of_ms // _HOUR_MS}.{made_at}{lost}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Does an If-None-Match header name this ETag? Weak comparison (RFC 9110 13.1.2)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return tag.removeprefix("W/") in (t.strip().removeprefix("W/") for t in if_none_match.split(","))


def asked_ids(query: str) -> list[str]:
    """Product ids in a raw query string, each once, in order.

    ``ids=a,b`` and ``ids=a&ids=b`` name two products; ``id=a%2Cb`` names the one product ``a,b``.
    """
    found: dict[str, None] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        value = unquote_plus(value)
        if name == "ids":
            found.update(dict.fromkeys(value.split(",")))
        elif name == "id":
            found[value] = None
    found.pop("", None)
    return list(found)


def router(
    store: SummaryReader, now_ms: Callable[[], int], generation: Callable[[], int], stale: Callable[[], bool]
) -> APIRouter:
    """The look-ups on ``store``; ``now_ms`` is the clock that windows are summed by; ``stale``: was the view lost?"""
    routes = APIRouter(prefix="/v1", tags=["look-ups"])

    @routes.get(
        "/products/{product_id:path}/summary",
        summary="One product's summary",
        responses={
            200: _json("The summary as of now.", _schema("product-summary.v1")),
            304: {"description": "The ETag in If-None-Match still holds."},
            **problems.responses(404, 503),
        },
        openapi_extra={"parameters": [_header("If-None-Match", "ETag of an earlier answer")]},
    )
    async def product_summary(
        request: Request, product_id: Annotated[str, Path(description=f"1 to {_MAX_ID_CHARACTERS} characters")]
    ) -> Response:
        """Percent-encode the id; slashes, percent signs and other scripts are fine.

        Windows (24 h, 7 d, 30 d) are right at the moment of reading, also when no review comes.
        """
        if not 1 <= len(product_id) <= _MAX_ID_CHARACTERS:
            raise problems.unknown_product(product_id)
        [summary] = await store.read([product_id], now_ms())
        lost = stale()
        if summary is None:
            raise problems.unknown_product(product_id, stale=lost)
        tag = etag(summary, generation(), lost)
        headers = {"ETag": tag, "Cache-Control": "no-cache" if lost else _CACHE_CONTROL}
        if matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        return Response(contract.encode_product_summary(summary, stale=lost), 200, headers, "application/json")

    @routes.get(
        "/products",
        summary="Many products' summaries at once",
        responses={200: _json("Known and unknown ones.", _products_schema()), **problems.responses(400, 503)},
        openapi_extra={
            "parameters": [
                _query("ids", f"product ids, comma separated; may be repeated; at most {MAX_PRODUCTS} in all"),
                _query("id", "one product id, taken as it is (for ids that hold a comma); may be repeated"),
            ]
        },
    )
    async def products(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MAX_PRODUCTS, description="how many, where no id is named")] = 20,
    ) -> Response:
        """The named products in the order asked; without names, the most recently changed."""
        ids = asked_ids(request.scope["query_string"].decode("latin-1"))
        if len(ids) > MAX_PRODUCTS:
            raise problems.Problem(
                400,
                "too-many-products",
                f"{len(ids)} products asked for.",
                f"Ask for at most {MAX_PRODUCTS} at a time.",
            )
        if not ids:
            ids = await store.product_ids(limit)
        summaries = await store.read(ids, now_ms()) if ids else []
        return _no_cache(_products_body(ids, summaries, stale()))

    @routes.get(
        "/alerts",
        summary="Recent alerts, newest first",
        responses={200: _json("The alerts.", _alerts_schema()), **problems.responses(400, 503)},
    )
    async def alerts(limit: Annotated[int, Query(ge=1, le=MAX_ALERTS, description="how many")] = 50) -> Response:
        """The alerts raised recently. The alerts topic holds all of them."""
        recent = await store.recent_alerts(limit)
        body = {"alerts": [orjson.Fragment(contract.encode_alert(a)) for a in recent]}
        return _no_cache(orjson.dumps(body | _marked(stale())))

    return routes


def summary_route(routes: APIRouter) -> APIRoute:
    """The route of one product's summary, among those of ``router``."""
    return next(one for one in routes.routes if isinstance(one, APIRoute) and one.name == "product_summary")


def _products_body(ids: Sequence[str], summaries: Sequence[ProductSummary | None], stale: bool) -> bytes:
    known = [contract.encode_product_summary(s, stale=stale) for s in summaries if s is not None]
    return orjson.dumps(
        {
            "products": [orjson.Fragment(one) for one in known],
            "unknown": [i for i, s in zip(ids, summaries, strict=True) if s is None],
            **_marked(stale),
        }
    )


def _marked(stale: bool) -> dict[str, bool]:
    return {"stale": True} if stale else {}


def _no_cache(body: bytes) -> Response:
    return Response(body, 200, {"Cache-Control": "no-cache"}, "application/json")


# ---- how it is documented

_STALE = {"type": "boolean", "description": "true while the view is lost; absent means false"}


def _schema(name: str) -> dict[str, Any]:
    # "$schema" and "$id" belong to the file; inside another document they would change how references resolve
    return {key: value for key, value in contract.schema(name).items() if key not in ("$schema", "$id")}


def _products_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["products", "unknown"],
        "properties": {
            "products": {"type": "array", "items": _schema("product-summary.v1")},
            "unknown": {"type": "array", "items": {"type": "string"}, "description": "asked for, but not known"},
            "stale": _STALE,
        },
    }


def _alerts_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["alerts"],
        "properties": {"alerts": {"type": "array", "items": _schema("alert.v1")}, "stale": _STALE},
    }


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _query(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": {"type": "string"}}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}
