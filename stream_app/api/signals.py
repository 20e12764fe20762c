"""GET /v1/signals and /v1/products/{product_id}/signals: what other systems join on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from stream_app import contract
from stream_app.api import problems
from stream_app.api.answers import by_name, cacheable, etag, uncached
from stream_app.api.look_ups import checked_id, limit_of, products_of, summary_of
from stream_app.api.routes import ApiRoute
from stream_app.ports import SummaryReader
from stream_app.records import ProductSummary
from stream_app.steps.signals import signals_of

_BEGINNING = (-1, "")
_LATE_MS = 60_000  # by which an entry may be late: a clock, and an apply that is tried again


def routes(
    store: SummaryReader, now_ms: Callable[[], int], generation: Callable[[], int], stale: Callable[[], bool]
) -> list[ApiRoute]:
    """As look_ups.routes."""

    async def product_signals(request: Request) -> Response:
        """Computed at the moment of reading; products.signals has them as they were after the last change."""
        summary = await summary_of(store, checked_id(request), now_ms(), stale)
        lost = stale()
        return cacheable(request, etag(summary, generation(), lost), lost, partial(_encoded, summary, stale=lost))

    async def signals(request: Request) -> Response:
        """The named products in the order asked; without names all, page by page, by when they changed last. The
        cursor ``next`` goes on behind the last one, at the end of all a minute before now: what is being applied may
        still be entered there.
        """
        limit = limit_of(request, 100)
        ids = products_of(request)
        following: str | None = None
        if ids is None:
            place = _place(request.query_params.get("cursor"))
            changed = await store.changed_since(place, limit)
            ids = [product_id for _, product_id in changed]
            last = changed[-1] if changed else place
            # guarantee: cursor-misses-no-late-entry
            following = _cursor(last if len(changed) == limit else min(last, (now_ms() - _LATE_MS, "")))
        summaries = await store.read(ids, now_ms()) if ids else []
        lost = stale()
        return uncached(by_name("signals", ids, summaries, partial(_encoded, stale=lost)) | {"next": following}, lost)

    return [
        ApiRoute("/v1/products/{product_id:path}/signals", product_signals),
        ApiRoute("/v1/signals", signals),
    ]


def _encoded(summary: ProductSummary, *, stale: bool) -> bytes:
    return contract.encode_product_signals(signals_of(summary), stale=stale)


def _cursor(place: tuple[int, str]) -> str:
    return f"{place[0]}:{place[1]}"


def _place(cursor: str | None) -> tuple[int, str]:
    """Raises Problem."""
    if not cursor:
        return _BEGINNING
    at, colon, product_id = cursor.partition(":")
    if not colon or not at.removeprefix("-").isdecimal() or len(at) > 15 or len(product_id) > 128:
        raise problems.Problem(
            400, "invalid-parameter", "cursor is not one of ours.", "Send the `next` of an earlier answer, or none."
        )
    return int(at), product_id
