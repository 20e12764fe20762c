"""GET /v1/sentences: what the view keeps of a product's reviews in their own words, by aspect; not public."""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from stream_app import contract
from stream_app.api import problems
from stream_app.api.routes import ApiRoute
from stream_app.api.slices import asked_filter
from stream_app.ports import SummaryReader
from stream_app.records import LABELS, Evidence, Label

MAX_REVIEWS = 64  # as many as the view keeps sentences of


def routes(store: SummaryReader, now_ms: Callable[[], int], review_url: str = "") -> list[ApiRoute]:
    """The route. ``review_url``: where the shop shows a review, with {product_id} and {review_id}; empty: nowhere."""

    async def sentences(request: Request) -> Response:
        """The sentences kept of a product's newest reviews, newest first; with `aspect` those that speak of it.

        `language`, `stars` and `window` choose reviews as those of a slice.
        """
        asked, within = request.query_params, asked_filter(request)
        product_id, aspect, label = asked.get("product_id", ""), asked.get("aspect"), asked.get("label")
        reviews = frozenset(asked.getlist("review_id"))
        if not product_id or (label is not None and label not in LABELS) or len(reviews) > MAX_REVIEWS:
            raise problems.Problem(
                400,
                "invalid-parameter",
                f"product_id is missing, label is none of {', '.join(LABELS)}, or more than {MAX_REVIEWS} review_id.",
                "Correct the named parameters; /docs lists them.",
            )
        _, kept = await store.evidence(product_id)
        at_ms = now_ms()
        evidence = [one for one in kept if within.holds(one, at_ms)]
        found = [
            _sentence(item, label, text) | _linked(review_url, product_id, item.review_id)
            for item, label, text in _chosen(evidence, aspect, label, reviews)
        ]
        body = {"product_id": product_id, "aspect": aspect, "sentences": found}
        return Response(orjson.dumps(body), 200, {"Cache-Control": "no-store"}, "application/json")

    return [ApiRoute("/v1/sentences", sentences)]


def review_address(template: str, product_id: str, review_id: str) -> str:
    """Where the shop shows this review. The ids are percent-encoded, slashes too: they stay in their place."""
    return template.format(product_id=quote(product_id, safe=""), review_id=quote(review_id, safe=""))


def checked_template(template: str) -> str:
    """The template, if it is of https or http and names the review and nothing unknown. Raises ValueError."""
    try:
        names = {name for _, name, *_ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise ValueError(f"it is no template: {error}") from None
    if template and not template.startswith(("https://", "http://")):
        raise ValueError("it begins neither with https:// nor with http://")
    if template and not {"review_id"} <= names <= {"product_id", "review_id"}:
        raise ValueError("it must hold {review_id}, may hold {product_id}, and nothing else in braces")
    return template


def _chosen(
    evidence: Iterable[Evidence], aspect: str | None, label: str | None, reviews: Collection[str]
) -> Iterator[tuple[Evidence, Label | None, str]]:
    """Of each review either its sentences about the aspect, each with its own label, or all that is kept of it."""
    for item in evidence:
        if reviews and item.review_id not in reviews:
            continue
        if aspect is None:
            if label is None or item.label == label:
                yield item, item.label, item.sentence
            continue
        for mention in item.mentions:
            if aspect in mention.aspects and (label is None or mention.label == label):
                yield item, mention.label, item.sentence[mention.start : mention.end]


def _sentence(item: Evidence, label: Label | None, text: str) -> dict[str, Any]:
    return {
        "review_id": item.review_id,
        "revision": item.revision,
        "created_at": contract.to_rfc3339(item.created_at_ms),
        "rating": item.rating,
        "language": item.language,
        "label": label,
        "text": text,
    }


def _linked(template: str, product_id: str, review_id: str) -> dict[str, str]:
    return {"url": review_address(template, product_id, review_id)} if template else {}
