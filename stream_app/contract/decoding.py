"""What the decoders of records share: why one cannot be read, and what a later version may have added.

Readers ignore unknown fields; an unknown value of an enum becomes the fall-back that its schema states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from stream_app.contract.json_bytes import why_not_json
from stream_app.records import RawRecord, Rejected, UnopenedBatch, UnreadBatch

Value = TypeVar("Value")


def decoded(record: RawRecord, decode: Callable[[dict[str, Any]], Value]) -> Value | Rejected:
    """What ``decode`` makes of the record's JSON object, or why it cannot be read."""
    if record.value is None:
        return valueless(record)
    try:
        fields = orjson.loads(record.value)
    except orjson.JSONDecodeError as error:
        return Rejected(record, *why_not_json(record.value, error))
    try:
        return decode(fields)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return Rejected(record, "wrong_type", f"not of this schema: {type(error).__name__} {error}")


def valueless(record: RawRecord, what_to_do: str = "") -> Rejected:
    """``what_to_do`` is added where the value is null."""
    if isinstance(record, UnopenedBatch):
        return Rejected(
            record,
            "batch_too_large",
            "a compressed batch of records would take over 32 MiB of memory; this is the offset of its last record, "
            "and all others of it are rejected with it",
        )
    if isinstance(record, UnreadBatch):
        return Rejected(
            record,
            "batch_malformed",
            "a batch of records is not as the protocol has it (offsets, lengths or compression), though its checksum "
            "is right: its producer made it so. This is the offset of its last record; all others of it are rejected "
            "with it, but for those before the first that cannot be read. The batch stays in the topic",
        )
    return Rejected(record, "tombstone", f"the value is null{what_to_do}")
