"""GET /v1/products/{id}/slice: counts and aspects of a product's newest reviews of some languages and stars."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from stream_app import contract
from stream_app.api import problems
from stream_app.api.answers import cacheable
from stream_app.api.history import counts_body
from stream_app.api.look_ups import checked_id, summary_of
from stream_app.api.routes import ApiRoute
from stream_app.ports import SummaryReader
from stream_app.steps.slices import WINDOWS, AspectOfSlice, Filter, ReviewSlice, slice_of

_STARS = ("1", "2", "3", "4", "5")
_is_language = re.compile(r"[a-z]{2,3}").fullmatch
_LONGEST_SHOWN = 32


def routes(store: SummaryReader, now_ms: Callable[[], int], stale: Callable[[], bool]) -> list[ApiRoute]:
    """The route; ``stale``: was the view lost?"""

    async def product_slice(request: Request) -> Response:
        """Of the reviews whose sentences are kept: those of the languages, stars and window asked for."""
        product_id, chosen, at_ms = checked_id(request), asked_filter(request), now_ms()
        summary = await summary_of(store, product_id, at_ms, stale)  # up to 0.2 s old; only its total is read
        _, kept = await store.evidence(product_id)
        lost = stale()
        found = _body(chosen, slice_of(kept, chosen, at_ms), summary.windows["all"].reviews)
        body = {"product_id": product_id, **found, **({"stale": True} if lost else {})}
        tag = f'W/"{sha256(orjson.dumps(body)).hexdigest()[:16]}"'  # without as_of, which differs each time
        return cacheable(request, tag, lost, lambda: orjson.dumps({"as_of": contract.to_rfc3339(at_ms), **body}))

    return [ApiRoute("/v1/products/{product_id:path}/slice", product_slice)]


def asked_filter(request: Request) -> Filter:
    """The parameters ``language``, ``stars`` and ``window`` of a request; the first two take several values, separated
    by commas or repeated. Raises Problem where one is wrong.
    """
    languages = [one.lower() for one in _values(request, "language")]
    stars = _values(request, "stars")
    window = request.query_params.get("window", "all")
    for one in languages:
        if not _is_language(one):
            raise _wrong("language", one, "is no code of two or three letters, such as en, zh or und (undetermined)")
    for one in stars:
        if one not in _STARS:
            raise _wrong("stars", one, f"is none of {', '.join(_STARS)}; name several as stars=1,2")
    if window not in WINDOWS:
        raise _wrong("window", window, f"is none of {', '.join(WINDOWS)}")
    return Filter(tuple(sorted({*languages})), tuple(sorted({*map(int, stars)})), window)


def _values(request: Request, name: str) -> list[str]:
    return [value.strip() for given in request.query_params.getlist(name) for value in given.split(",")]


def _wrong(name: str, value: str, why: str) -> problems.Problem:
    return problems.Problem(
        400,
        "invalid-parameter",
        f"{name}: {value[:_LONGEST_SHOWN]!r} {why}.",
        "Correct the named parameter; /docs lists them.",
    )


def _body(chosen: Filter, found: ReviewSlice, reviews: int) -> dict[str, Any]:
    """``reviews``: of the product, read a moment before what is kept of them."""
    is_dated = found.from_ms is not None and found.to_ms is not None
    return {
        "slice": {"language": chosen.languages or None, "stars": chosen.stars or None, "window": chosen.window},
        "kept_reviews": found.kept_reviews,
        "of_reviews": max(reviews, found.kept_reviews),
        "counts": counts_body(found.counts),
        "date_range": {"from": contract.to_rfc3339(found.from_ms or 0), "to": contract.to_rfc3339(found.to_ms or 0)}
        if is_dated
        else None,
        "aspects": {aspect: _aspect(one) for aspect, one in found.aspects.items()},
    }


def _aspect(one: AspectOfSlice) -> dict[str, Any]:
    counts, quote = one.counts, one.quote
    return {
        "mentions": counts.mentions,
        "negative": counts.negative,
        "positive": counts.positive,
        "quote": {
            "review_id": quote.review_id,
            "revision": quote.revision,
            "label": quote.label,
            "start": quote.start,
            "end": quote.end,
            "text": quote.text,
        },
    }
