"""GET /v1/products/{id}/history: the counts of a product's days, for a chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from stream_app.api import problems
from stream_app.api.answers import cacheable, marked
from stream_app.api.look_ups import checked_id, number_asked
from stream_app.api.routes import ApiRoute
from stream_app.ports import SummaryReader
from stream_app.records import Counts

MAX_DAYS = 37
_DAYS = TypeAdapter(Annotated[int, Field(ge=1, le=MAX_DAYS)])
_DAY_MS = 86_400_000
_NONE = Counts()


def routes(store: SummaryReader, now_ms: Callable[[], int], stale: Callable[[], bool]) -> list[ApiRoute]:
    """The route; ``stale``: was the view lost?"""

    async def product_history(request: Request) -> Response:
        """Counts of today and the days before it (UTC), the oldest first; a day without reviews has zeros."""
        product_id = checked_id(request)
        number = number_asked(request, "days", _DAYS, MAX_DAYS)
        days, lost = await store.days(product_id), stale()
        if days is None:
            raise problems.unknown_product(product_id, stale=lost)
        body = orjson.dumps(_history(product_id, days, now_ms() // _DAY_MS, number) | marked(lost))
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        return cacheable(request, tag, lost, lambda: body)

    return [ApiRoute("/v1/products/{product_id:path}/history", product_history)]


def _history(product_id: str, days: Mapping[int, Counts], today: int, number: int) -> dict[str, Any]:
    shown = [_day(day, days.get(day, _NONE)) for day in range(today - number + 1, today + 1)]
    return {"product_id": product_id, "days": shown}


def _day(day: int, counts: Counts) -> dict[str, Any]:
    return {"date": datetime.fromtimestamp(day * _DAY_MS / 1000, UTC).date().isoformat(), **counts_body(counts)}


def counts_body(counts: Counts) -> dict[str, Any]:
    """Counts as answers have them."""
    mean = counts.mean_rating
    return {
        "reviews": counts.reviews,
        "negative": counts.negative,
        "neutral": counts.neutral,
        "positive": counts.positive,
        "unknown": counts.unknown,
        "stars": counts.stars,
        "mean_rating": None if mean is None else round(mean, 4),
    }
