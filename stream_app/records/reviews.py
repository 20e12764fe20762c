"""Reviews as producers send them, accepted or rejected."""

from __future__ import annotations

from typing import Literal

from stream_app.records.immutable import value
from stream_app.records.messages import RawRecord

Kind = Literal["created", "edited", "deleted"]

FINAL_REVISION = 2**53 - 1
"""The revision of a deletion that names none: nothing can follow it. Also JSON's largest safe integer."""


@value
class Review:
    """An accepted review.v1. Identity is (product_id, review_id); a larger revision replaces a smaller one."""

    product_id: str
    review_id: str
    revision: int
    kind: Kind
    created_at_ms: int
    updated_at_ms: int | None = None
    rating: int | None = None
    title: str | None = None
    text: str = ""
    language: str | None = None


@value
class Rejected:
    """A record that cannot be processed: it is published to the dead letter topic with its original bytes."""

    record: RawRecord
    reason: str
    detail: str
