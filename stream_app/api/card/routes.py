"""The public card: ``/v1/products/{id}/card`` and ``/v1/card.js``, which shows it on the pages of a shop."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response

from stream_app import contract
from stream_app.api.answers import CACHE_CONTROL, matches
from stream_app.api.card.html import STYLE, card
from stream_app.api.card.words import language_of
from stream_app.api.look_ups import checked_id, summary_of
from stream_app.api.routes import ApiRoute
from stream_app.ports import SummaryReader

_COMPONENT = (Path(__file__).parent / "card.js").read_bytes()
_DAY_SECONDS = 86_400
_YEAR_SECONDS = 365 * _DAY_SECONDS
_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def routes(
    store: SummaryReader, now_ms: Callable[[], int], stale: Callable[[], bool], origins: tuple[str, ...] = ()
) -> list[ApiRoute]:
    """``origins``: of the pages that may show a card; ``*``: any."""
    tag = _tag(_COMPONENT)

    async def product_card(request: Request) -> Response:
        """What customers say of a product, for its page: HTML without script, in English or Chinese."""
        summary = await summary_of(store, checked_id(request), now_ms(), stale)
        asked, lost = request.query_params, stale()
        fields = orjson.loads(contract.encode_product_summary(summary, stale=lost))
        language = language_of(asked.get("lang"), request.headers.get("accept-language", ""))
        body = card(fields, language, asked.get("theme", ""))
        headers = {
            **_headers(request, origins, _tag(body), "no-cache" if lost else CACHE_CONTROL),
            "Content-Language": language,
            "Content-Security-Policy": _policy(origins),
        }
        headers["Vary"] = f"Accept-Language, {headers['Vary']}" if "Vary" in headers else "Accept-Language"
        if matches(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, "text/html; charset=utf-8")

    async def component(request: Request) -> Response:
        """The custom element `review-summary`, which shows a product's card."""
        is_pinned = request.query_params.get("v") == tag.strip('"')  # another file has another address
        cached = f"public, max-age={_YEAR_SECONDS}, immutable" if is_pinned else f"public, max-age={_DAY_SECONDS}"
        headers = _headers(request, origins, tag, cached)
        if matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        return Response(_COMPONENT, 200, headers, "text/javascript; charset=utf-8")

    return [
        ApiRoute("/v1/products/{product_id:path}/card", product_card),
        ApiRoute("/v1/card.js", component),
    ]


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:16]}"'


def _policy(origins: tuple[str, ...]) -> str:
    """Nothing is loaded and nothing runs, whatever a review says; a block of JSON-LD is data."""
    ancestors = " ".join(origins) or "'none'"  # guarantee: cards-are-framed-where-a-setting-says
    return (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {ancestors}"
    )


def _headers(request: Request, origins: tuple[str, ...], tag: str, cached: str) -> dict[str, str]:
    headers = {
        "ETag": tag,
        "Cache-Control": cached,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    if not origins:
        return headers | {"Cross-Origin-Resource-Policy": "same-origin"}
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    origin = request.headers.get("origin", "")
    if "*" in origins:
        return headers | {"Access-Control-Allow-Origin": "*"}
    headers["Vary"] = "Origin"
    if origin in origins:  # guarantee: other-origins-read-no-cards
        headers["Access-Control-Allow-Origin"] = origin
    return headers
