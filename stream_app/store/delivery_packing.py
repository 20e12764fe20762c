"""How alerts that wait for receivers, and the state of a receiver, look inside their keys."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from stream_app.records import Position
from stream_app.steps.delivery_queue import ReceiverState, Waiting
from stream_app.store.alert_packing import pack_alert, unpack_alert
from stream_app.store.packing import known_fields


def pack_waiting(waiting: Waiting) -> bytes:
    return orjson.dumps(
        {
            "alert": orjson.Fragment(pack_alert(waiting.alert)),
            "place": tuple(waiting.place),
            "timestamp_ms": waiting.timestamp_ms,
            "queued_at_ms": waiting.queued_at_ms,
            "due_at_ms": waiting.due_at_ms,
            "digest_at_ms": waiting.digest_at_ms,
            **({"acknowledges": True} if waiting.acknowledges else {}),
        }
    )


def unpack_waiting(ref: bytes, packed: bytes) -> Waiting:
    """Raises ValueError, TypeError, LookupError or AttributeError where this version did not write it."""
    fields = known_fields(Waiting, orjson.loads(packed))
    alert = unpack_alert(orjson.dumps(fields["alert"]))
    waiting = Waiting(**fields | {"alert": alert, "place": Position(*fields["place"])})
    if waiting.ref.encode() != ref:
        raise ValueError("it is another alert")
    return waiting


def time_of(reply: Sequence[bytes]) -> int | None:
    """Of a sorted set's one member with its score; None of none."""
    return int(float(reply[1])) if reply else None


def unpack_receiver_state(packed: bytes | None) -> ReceiverState:
    try:
        return ReceiverState() if packed is None else ReceiverState(**known_fields(ReceiverState, orjson.loads(packed)))
    except (ValueError, TypeError, LookupError):
        return ReceiverState()  # it is tried, and then written again
