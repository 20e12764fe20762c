"""Answers of the look-ups: JSON with what caches need, marked as stale where the view was lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from stream_app.records import ProductSummary

_HOUR_MS = 3_600_000

# One second: a product page under load asks its cache, and still shows a review within seconds.
# A cache may go on serving what it has for a minute while we are away.
CACHE_CONTROL = "public, max-age=1, stale-if-error=60"


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


def cacheable(request: Request, tag: str, stale: bool, encode: Callable[[], bytes]) -> Response:
    """What ``encode`` returns, with its ETag; 304 without calling it where the request names that."""
    headers = {"ETag": tag, "Cache-Control": "no-cache" if stale else CACHE_CONTROL}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(encode(), 200, headers, "application/json")


def uncached(body: Mapping[str, Any], stale: bool) -> Response:
    """This body, marked where the view was lost."""
    return Response(orjson.dumps({**body, **marked(stale)}), 200, {"Cache-Control": "no-cache"}, "application/json")


def marked(stale: bool) -> dict[str, bool]:
    """The field of an answer by which readers see that the view was lost."""
    return {"stale": True} if stale else {}


def by_name(
    name: str,
    ids: Sequence[str],
    summaries: Sequence[ProductSummary | None],
    encode: Callable[[ProductSummary], bytes],
) -> dict[str, Any]:
    """The field ``name`` with each summary that is known, encoded, and ``unknown`` with the ids of the others."""
    return {
        name: [orjson.Fragment(encode(one)) for one in summaries if one is not None],
        "unknown": [one for one, summary in zip(ids, summaries, strict=True) if summary is None],
    }
