"""review.v1: what shops send, decoded by hand because every review passes here, with the reason when it can't be."""

from __future__ import annotations

from typing import Any

import orjson

from stream_app.contract.decoding import valueless
from stream_app.contract.field import CONTROL, MAX_ID_CHARACTERS
from stream_app.contract.json_bytes import shown, why_not_json
from stream_app.contract.times import from_rfc3339
from stream_app.records import EARLIEST_MS, FINAL_REVISION, Kind, RawRecord, Rejected, Review

_STARS = range(1, 6)


class _Invalid(Exception):
    """Carries (reason, detail) from the place that found it to ``decode_review``."""


def decode_review(record: RawRecord, *, now_ms: int, max_future_ms: int, max_text_characters: int) -> Review | Rejected:
    """The review in a record of the topic ``reviews``, or why it cannot be processed. Never raises.

    In the future is what lies ``max_future_ms`` beyond ``now_ms`` or the record's timestamp, whichever is later, so
    that a slow clock here rejects nothing. A timestamp more than MAX_AHEAD_MS ahead of ``now_ms`` counts for nothing:
    one producer with a wrong clock must not switch the check off.
    """
    value = record.value
    if value is None:
        return valueless(record, "; send {deleted: true} with product_id and review_id")
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return Rejected(record, *why_not_json(value, error))
    try:
        timestamp_ms = record.plausible_timestamp_ms(now_ms)
        # guarantee: slow-clock-rejects-nothing
        latest_ms = (now_ms if timestamp_ms is None or timestamp_ms < now_ms else timestamp_ms) + max_future_ms
        return _review(fields, record.timestamp_ms, latest_ms, max_text_characters)
    except _Invalid as invalid:  # guarantee: reject-is-a-value
        return Rejected(record, *invalid.args)


def _review(fields: Any, timestamp_ms: int, latest_ms: int, max_text_characters: int) -> Review:
    if type(fields) is not dict:
        raise _Invalid("not_an_object", f"the value is a JSON {type(fields).__name__}, not an object")
    get = fields.get
    product_id, review_id = _id(fields, "product_id"), _id(fields, "review_id")
    deleted = get("deleted")
    if deleted is not None and type(deleted) is not bool:
        raise _Invalid("wrong_type", f"deleted must be true or false, not {shown(deleted)}")
    text = get("text")
    if text is None and not deleted:
        raise _Invalid("missing_field", "text is missing")
    text = _string(fields, "text") or ""
    if not deleted:
        if len(text) > max_text_characters:
            raise _Invalid("text_too_long", f"text has {len(text)} characters; at most {max_text_characters} are read")
        if not text or text.isspace():
            raise _Invalid("empty_text", "text is empty or white space")
    title = _string(fields, "title")
    if title is not None and len(title) > max_text_characters:
        raise _Invalid("text_too_long", f"title has {len(title)} characters; at most {max_text_characters} are read")
    created_at_ms = _date(fields, "created_at", latest_ms)
    if created_at_ms is None and not EARLIEST_MS <= timestamp_ms <= latest_ms:  # guarantee: timestamp-has-bounds
        when = "in the future" if timestamp_ms > latest_ms else "before the year 2000"
        detail = f"created_at is missing, and the record's timestamp, {timestamp_ms} ms, is {when}"
        raise _Invalid("invalid_timestamp", detail)
    updated_at_ms = _date(fields, "updated_at", latest_ms)
    revision = _revision(get("revision"), updated_at_ms, bool(deleted))
    kind: Kind = "deleted" if deleted else "edited" if revision else "created"
    if kind == "edited" and get("revision") is None and updated_at_ms == created_at_ms:
        kind = "created"  # a shop that always sends updated_at
    return Review(
        product_id=product_id,
        review_id=review_id,
        revision=revision,
        kind=kind,
        created_at_ms=timestamp_ms if created_at_ms is None else created_at_ms,
        updated_at_ms=updated_at_ms,
        rating=_rating(get("rating")),
        title=title,
        text="" if deleted else text,
        language=_string(fields, "language"),
    )


def _id(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise _Invalid("missing_field", f"{name} is missing")
    if type(value) is not str:
        raise _Invalid("wrong_type", f"{name} must be a string, not {shown(value)}")
    if not 0 < len(value) <= MAX_ID_CHARACTERS:
        raise _Invalid("invalid_id", f"{name} has {len(value)} characters; 1 to {MAX_ID_CHARACTERS} are allowed")
    if not value.isprintable() and CONTROL.search(value):
        raise _Invalid("invalid_id", f"{name} has control characters")
    return value


def _string(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and type(value) is not str:
        raise _Invalid("wrong_type", f"{name} must be a string, not {shown(value)}")
    return value


def _rating(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) not in (int, float):
        raise _Invalid("wrong_type", f"rating must be an integer from 1 to 5, not {shown(value)}")
    if value not in _STARS:
        raise _Invalid("invalid_rating", f"rating must be an integer from 1 to 5, not {shown(value)}")
    return int(value)


def _date(fields: dict[str, Any], name: str, latest_ms: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not str:
        raise _Invalid("wrong_type", f"{name} must be an RFC 3339 date and time, not {shown(value)}")
    try:
        ms = from_rfc3339(value)
    except ValueError as error:
        raise _Invalid("invalid_date", f"{name} {shown(value)} is no RFC 3339 date and time: {error}") from None
    if ms > latest_ms:
        raise _Invalid("future_date", f"{name} {shown(value)} is in the future")
    if ms < EARLIEST_MS:
        raise _Invalid("past_date", f"{name} {shown(value)} is before the year 2000")
    return ms


def _revision(value: Any, updated_at_ms: int | None, deleted: bool) -> int:
    """Of ``revision`` or, without it, the milliseconds of ``updated_at``; a deletion without either is final."""
    if value is None:
        if updated_at_ms is not None:
            return updated_at_ms
        return FINAL_REVISION if deleted else 0
    if type(value) not in (int, float):
        raise _Invalid("wrong_type", f"revision must be an integer, not {shown(value)}")
    if not 0 <= value <= FINAL_REVISION or value != int(value):
        raise _Invalid("invalid_revision", f"revision must be an integer from 0 to 2^53 - 1, not {shown(value)}")
    return int(value)
