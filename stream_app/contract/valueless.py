"""Why a record without a value cannot be read: it never had one, or its batch was not opened."""

from __future__ import annotations

from stream_app.records import RawRecord, Rejected, UnopenedBatch


def valueless(record: RawRecord, what_to_do: str = "") -> Rejected:
    """``what_to_do`` is added where the value is null."""
    if isinstance(record, UnopenedBatch):
        return Rejected(
            record,
            "batch_too_large",
            "a compressed batch of records would take over 128 MiB of memory; this is the offset of its last record, "
            "and all others of it are rejected with it",
        )
    return Rejected(record, "tombstone", f"the value is null{what_to_do}")
