"""Which review a record of any of our topics is about, read as loosely as possible: for erasing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from stream_app.records import RawRecord

Identity = tuple[str, str]
"""product_id, review_id."""

_WORDS = ("text", "title", "summary", "sentence", "safety_words")


@dataclass(frozen=True, slots=True)
class NamedReview:
    """``order``: (revision, deleted, enrichment_version), which decides the newest state of a review.

    ``is_marker``: a deletion without text, which the log keeps for replays.
    """

    identity: Identity
    order: tuple[int, int, int]
    is_marker: bool


def named_review(record: RawRecord) -> NamedReview | None:
    """The review that the JSON object in the value names; None where it names none.

    A record that no role can read is found too, as long as it is a JSON object with both ids.
    """
    if record.value is None:
        return None
    try:
        fields = orjson.loads(record.value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict):
        return None
    product_id, review_id = fields.get("product_id"), fields.get("review_id")
    if not isinstance(product_id, str) or not isinstance(review_id, str):
        return None
    deleted = fields.get("kind") == "deleted"
    order = (_number(fields.get("revision")), int(deleted), _number(fields.get("enrichment_version")))
    return NamedReview((product_id, review_id), order, deleted and not any(fields.get(name) for name in _WORDS))


def quoted_reviews(record: RawRecord) -> list[Identity]:
    """The reviews that an alert about a product quotes, read as loosely; none where it is no such alert."""
    try:
        fields = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return []
    if not isinstance(fields, dict):
        return []
    quotes, product_id = fields.get("quotes"), fields.get("product_id")
    if not isinstance(quotes, list) or not isinstance(product_id, str):
        return []
    named = [one.get("review_id") for one in quotes if isinstance(one, dict)]
    return [(product_id, review_id) for review_id in named if isinstance(review_id, str)]


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
