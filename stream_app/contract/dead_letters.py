"""Dead letters as every role writes them: the original, why it was rejected, and what did not fit."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator

from stream_app.records import EscapedName, Message, Position, RawRecord, Rejected, size_of

MAX_DEAD_LETTER_BYTES = 2 * 1024 * 1024 - 4 * 1024
"""What ``size_of`` a dead letter may be: the topic's ``max.message.bytes``, without Kafka's own parts of a batch."""

HEADER_ERROR_TOPIC = "__connect.errors.topic"
HEADER_ERROR_PARTITION = "__connect.errors.partition"
HEADER_ERROR_OFFSET = "__connect.errors.offset"
HEADER_ERROR_REASON = "__connect.errors.exception.class.name"
HEADER_ERROR_MESSAGE = "__connect.errors.exception.message"

REASONS = (
    "not_utf8",
    "not_json",
    "not_an_object",
    "too_deep",
    "lone_surrogate",
    "tombstone",
    "missing_field",
    "wrong_type",
    "invalid_id",
    "empty_text",
    "text_too_long",
    "invalid_rating",
    "invalid_date",
    "future_date",
    "past_date",
    "invalid_timestamp",
    "invalid_revision",
    "message_too_large",
    "batch_too_large",
    "batch_malformed",
    "internal_error",
    "model_failed",
    "kills_worker",
    "delivery_failed",
    "receiver_queue_full",
    "receiver_disabled",
    "receiver_removed",
)
"""Why a record is rejected, in the header HEADER_ERROR_REASON. Other versions may write further ones."""

HEADER_DROPPED = "stream-app-dropped"
"""Of a dead letter behind its error headers, once per part of the original that it lacks, as
``value;bytes=2500000;sha256=9f86d0…``. Parts are value, headers and key.
"""

HEADER_NAME = "stream-app-header-name"
"""Of a dead letter behind its error headers, once per original header whose name had to be escaped, as
``2;base64=//4=``: its place among the original headers, from 0, and the bytes of its name.
"""

_MAX_DETAIL_BYTES = 8 * 1024
_MAX_HEADERS = 99_000  # librdkafka gives its readers none at all where there are more than 100,000
_CUTS = (
    (),
    ("value",),
    ("headers",),
    ("value", "headers"),
    ("key",),
    ("value", "key"),
    ("headers", "key"),
    ("value", "headers", "key"),
)
"""What is left out of a dead letter that is too large: the first of these with which it fits."""


def dead_letter_message(topic: str, rejected: Rejected, max_bytes: int = MAX_DEAD_LETTER_BYTES) -> Message:
    """The original key, value and headers, followed by Kafka Connect's error headers; at most ``max_bytes`` of
    ``size_of``, and few enough headers for every reader.

    Bytes are untouched; where they do not fit, value, headers or key are left out whole (see HEADER_DROPPED), and the
    original may still be where the error headers say. The error's message ends after 8 KiB. A producer takes names of
    headers as text and ends them at a NUL: bytes that are no UTF-8 were read as ``\\xff``, and a NUL becomes ``\\x00``
    (see HEADER_NAME).
    """
    record = rejected.record
    original = tuple((_name(name), value) for name, value in record.headers)
    names = tuple(_names(record))
    detail = rejected.detail.encode("utf-8", "backslashreplace")[:_MAX_DETAIL_BYTES].decode("utf-8", "ignore")
    why = (
        (HEADER_ERROR_TOPIC, record.topic.encode()),
        (HEADER_ERROR_PARTITION, str(record.partition).encode()),
        (HEADER_ERROR_OFFSET, str(record.offset).encode()),
        (HEADER_ERROR_REASON, rejected.reason.encode()),  # guarantee: named-reason
        (HEADER_ERROR_MESSAGE, detail.encode()),
    )
    for cut in _CUTS:
        headers = (
            *(() if "headers" in cut else original),  # guarantee: original-headers
            *why,
            *(() if "headers" in cut else names),  # guarantee: names-of-headers-are-kept
            *((HEADER_DROPPED, _account(part, record, original)) for part in cut),
        )
        key = None if "key" in cut else record.key  # guarantee: original-key
        value = None if "value" in cut else record.value  # guarantee: original-bytes
        message = Message(topic, key, value, headers)
        # guarantee: dead-letter-fits, dead-letter-of-few-headers
        if size_of(message) <= max_bytes and len(headers) <= _MAX_HEADERS:
            return message
    raise ValueError(f"error headers of {size_of(message)} bytes do not fit into {max_bytes}")


def dead_letter_origin(record: RawRecord) -> tuple[Position, str]:
    """(where a dead letter came from, the reason); the last header of a name is ours, whatever the sender sent."""
    headers = dict(record.headers)
    position = Position(
        headers[HEADER_ERROR_TOPIC].decode(),
        int(headers[HEADER_ERROR_PARTITION]),
        int(headers[HEADER_ERROR_OFFSET]),
    )
    return position, headers[HEADER_ERROR_REASON].decode()


def headers_hash(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """SHA-256 of names and values in their order, each behind its length in bytes and a colon, -1 for null."""
    digest = hashlib.sha256()
    for name, value in headers:
        for part in (name.encode("utf-8", "backslashreplace"), value):
            digest.update(b"%d:" % (-1 if part is None else len(part)))
            digest.update(part or b"")
    return digest.hexdigest()


def _account(part: str, record: RawRecord, headers: tuple[tuple[str, bytes], ...]) -> bytes:
    """HEADER_DROPPED of a part: its name, its length and its hash."""
    if part == "headers":
        size = sum(len(name.encode()) + len(value or b"") for name, value in headers)
        return f"headers;bytes={size};sha256={headers_hash(headers)}".encode()
    content = (record.value if part == "value" else record.key) or b""
    return f"{part};bytes={len(content)};sha256={hashlib.sha256(content).hexdigest()}".encode()


def _names(record: RawRecord) -> Iterator[tuple[str, bytes]]:
    """HEADER_NAME of each header whose name is published otherwise than it was sent."""
    for at, (name, _) in enumerate(record.headers):
        if isinstance(name, EscapedName) or _name(name) != name:
            sent = name.sent if isinstance(name, EscapedName) else name.encode("utf-8", "surrogatepass")
            yield HEADER_NAME, f"{at};base64={b64encode(sent).decode()}".encode()


def _name(name: str) -> str:
    if name.isprintable():  # neither NUL nor a lone surrogate, as nearly all names
        return name
    return name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
