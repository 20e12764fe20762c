"""The /v1 routes: a product's summary, many at once, recent alerts; one or two trips to the store each."""

from __future__ import annotations  # guarantee: reads-need-no-broker

from collections.abc import Callable
from functools import partial
from typing import Annotated
from urllib.parse import unquote_plus

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from stream_app import contract
from stream_app.api import problems
from stream_app.api.answers import by_name, cacheable, etag, uncached
from stream_app.api.encoded import EncodedSummaries
from stream_app.api.routes import ApiRoute
from stream_app.ports import SummaryReader
from stream_app.records import ProductSummary

MAX_PRODUCTS = 100
MAX_ALERTS = 200
_MAX_ID_CHARACTERS = 128
_PRODUCTS_LIMIT = TypeAdapter(Annotated[int, Field(ge=1, le=MAX_PRODUCTS)])
_ALERTS_LIMIT = TypeAdapter(Annotated[int, Field(ge=1, le=MAX_ALERTS)])


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


def checked_id(request: Request) -> str:
    """The product of a path. Raises Problem for an id that none can have: the store is not asked."""
    product_id: str = request.path_params["product_id"]
    if not 1 <= len(product_id) <= _MAX_ID_CHARACTERS:
        raise problems.unknown_product(product_id)
    return product_id


async def summary_of(store: SummaryReader, product_id: str, now_ms: int, stale: Callable[[], bool]) -> ProductSummary:
    """The summary of one product. Raises Problem where it is unknown."""
    [summary] = await store.read([product_id], now_ms)
    if summary is None:
        raise problems.unknown_product(product_id, stale=stale())
    return summary


def routes(
    store: SummaryReader, now_ms: Callable[[], int], generation: Callable[[], int], stale: Callable[[], bool]
) -> list[ApiRoute]:
    """The look-ups on ``store``; ``now_ms`` is the clock that windows are summed by; ``stale``: was the view lost?"""
    encoded = EncodedSummaries()

    async def product_summary(request: Request) -> Response:
        """Windows (24 h, 7 d, 30 d) are right at the moment of reading, also when no review comes."""
        summary = await summary_of(store, checked_id(request), now_ms(), stale)
        lost = stale()
        encode = partial(encoded.of, summary, stale=lost)
        return cacheable(request, etag(summary, generation(), lost), lost, encode)

    async def products(request: Request) -> Response:
        """The named products in the order asked; without names, the most recently changed."""
        limit = limit_of(request, 20)
        ids = products_of(request)
        if ids is None:
            ids = await store.product_ids(limit)
        summaries = await store.read(ids, now_ms()) if ids else []
        lost = stale()
        return uncached(by_name("products", ids, summaries, partial(contract.encode_product_summary, stale=lost)), lost)

    async def alerts(request: Request) -> Response:
        """The alerts raised recently, and what people do about each. The alerts topic holds all of them."""
        recent = await store.recent_alerts(number_asked(request, "limit", _ALERTS_LIMIT, 50))
        handling = await store.handling(recent, now_ms())
        listed = map(contract.encode_listed_alert, recent, handling)
        return uncached({"alerts": [orjson.Fragment(one) for one in listed]}, stale())

    return [
        ApiRoute("/v1/products/{product_id:path}/summary", product_summary),
        ApiRoute("/v1/products", products),
        ApiRoute("/v1/alerts", alerts),
    ]


def products_of(request: Request) -> list[str] | None:
    """The products that a request names; None where it has no parameter for it: with an empty one it names none.

    Raises Problem where one answer would be too long.
    """
    if request.query_params.keys().isdisjoint(("ids", "id")):
        return None
    ids = asked_ids(request.scope["query_string"].decode("latin-1"))
    if len(ids) > MAX_PRODUCTS:
        raise problems.Problem(
            400, "too-many-products", f"{len(ids)} products asked for.", f"Ask for at most {MAX_PRODUCTS} at a time."
        )
    return ids


def limit_of(request: Request, default: int) -> int:
    """How many products a request wants. Raises Problem."""
    return number_asked(request, "limit", _PRODUCTS_LIMIT, default)


def number_asked(request: Request, name: str, allowed: TypeAdapter[int], default: int) -> int:
    """This parameter of a request. Raises Problem where it is wrong."""
    try:
        return allowed.validate_python(request.query_params.get(name, default))
    except ValidationError as error:
        wrong = "; ".join(f"{name}: {one['msg']}" for one in error.errors())
        raise problems.Problem(
            400, "invalid-parameter", wrong, "Correct the named parameters; /docs lists them."
        ) from None
