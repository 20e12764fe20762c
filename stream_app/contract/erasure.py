"""Which review a record of any of our topics is about, read as loosely as possible: for erasing it."""

from __future__ import annotations

import json
from collections.abc import Collection
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

    A record that no role can read is found too, as long as it is a JSON object with both ids, or nearly one: with a
    lone surrogate, a byte that is no UTF-8, 1e400. An id that is a number is read as its digits: the same review may
    have been sent again with a string.
    """
    fields = _object_of(record)
    product_id, review_id = _id(fields.get("product_id")), _id(fields.get("review_id"))
    if product_id is None or review_id is None:
        return None
    deleted = fields.get("kind") == "deleted"
    order = (_number(fields.get("revision")), int(deleted), _number(fields.get("enrichment_version")))
    return NamedReview((product_id, review_id), order, deleted and not any(fields.get(name) for name in _WORDS))


def without_quotes(record: RawRecord, erased: Collection[Identity]) -> RawRecord | None:
    """The record of an alert about a product without its quotes of ``erased`` reviews, read as loosely.

    The record itself where it quotes none of them, or is no such alert; None where it can't be written without them.
    """
    fields = _object_of(record)
    product_id, quotes = _id(fields.get("product_id")), fields.get("quotes")
    if product_id is None or not isinstance(quotes, list):
        return record
    kept = [one for one in quotes if not (isinstance(one, dict) and (product_id, _id(one.get("review_id"))) in erased)]
    if len(kept) == len(quotes):
        return record
    try:
        return record._replace(value=orjson.dumps(fields | {"quotes": kept}))
    except TypeError:  # nested deeper than orjson writes, or with a lone surrogate: none of ours
        return None


def _object_of(record: RawRecord) -> dict[str, Any]:
    """The JSON object in the value; an empty one where it is none."""
    value = record.value or b""
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        try:
            fields = json.loads(value.decode("utf-8-sig", "replace"))  # takes more than JSON
        except (ValueError, RecursionError):
            return {}
    return fields if isinstance(fields, dict) else {}


def _id(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
