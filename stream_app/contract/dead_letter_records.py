"""Dead letters read back: where each came from and why, and the message that replays it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from stream_app.contract.alerts import HEADER_RECEIVER
from stream_app.contract.dead_letters import (
    HEADER_DROPPED,
    HEADER_ERROR_MESSAGE,
    HEADER_ERROR_OFFSET,
    HEADER_ERROR_PARTITION,
    HEADER_ERROR_REASON,
    HEADER_ERROR_TOPIC,
    HEADER_NAME,
    dead_letter_origin,
)
from stream_app.records import COPY_HEADERS, Message, Position, RawRecord

HEADER_REPLAY_OF = "stream-app-replay-of"
"""On a replayed record: ``topic/partition/offset`` of the record that was rejected."""

TOMBSTONE = "tombstone"
"""The reason of a dead letter whose original has no value."""

_ERROR_HEADERS = (
    HEADER_ERROR_TOPIC,
    HEADER_ERROR_PARTITION,
    HEADER_ERROR_OFFSET,
    HEADER_ERROR_REASON,
    HEADER_ERROR_MESSAGE,
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead letter topic. ``origin`` is None without our headers (a foreign record)."""

    record: RawRecord
    origin: Position | None
    reason: str
    detail: str
    original_headers: tuple[tuple[str, bytes], ...]
    replay_of: str | None  # the original was itself a replay, of this record
    dropped: tuple[str, ...]  # parts of the original that were too large, as HEADER_DROPPED has them

    @property
    def lacks_original(self) -> bool:
        """Parts were too large for the dead letter's topic, or of a batch that is not read: ``origin`` names where they
        may still be.

        Earlier versions left the value out without a header.
        """
        # guarantee: dead-letter-says-what-it-lacks
        return bool(self.dropped) or (self.record.value is None and self.reason != TOMBSTONE)

    @property
    def identity(self) -> bytes:
        """Equal for all dead letters of one rejected record; a crash or a rebuilt view may have written several.

        An alert that two receivers lack is two.
        """
        return _identity(_place(self.origin) if self.origin else "", self.record)


def read_dead_letter(record: RawRecord) -> DeadLetter:
    """Never raises, whatever the record holds."""
    headers = dict(record.headers)  # the last one of a name is ours, whatever the sender sent
    try:
        origin, reason = dead_letter_origin(record)
    except (KeyError, ValueError, TypeError, AttributeError):  # missing, no number, or null
        origin, reason = None, _words(headers.get(HEADER_ERROR_REASON)) or "unknown"
    return DeadLetter(
        record=record,
        origin=origin,
        reason=reason,
        detail=_words(headers.get(HEADER_ERROR_MESSAGE)),
        original_headers=_without_ours(record.headers),
        replay_of=_words(headers.get(HEADER_REPLAY_OF)) or None,
        dropped=_dropped(record.headers),
    )


def replay_message(dead_letter: DeadLetter) -> Message:
    """The original key, value and headers for the topic that it came from, and whose replay it is.

    The dead letter must have an ``origin`` and not lack its original.
    """
    assert dead_letter.origin is not None
    assert not dead_letter.lacks_original
    kept = tuple(header for header in dead_letter.original_headers if header[0] != HEADER_REPLAY_OF)
    headers = (*kept, (HEADER_REPLAY_OF, _place(dead_letter.origin).encode()))
    return Message(dead_letter.origin.topic, dead_letter.record.key, dead_letter.record.value, headers)


def replayed_identity(record: RawRecord) -> bytes | None:
    """Of a record or a dead letter that is a replay: the ``identity`` of the dead letters it is a replay of; else None.

    It covers key and value: positions start from 0 when a topic is deleted and created again.
    """
    replay_of = next((value for name, value in reversed(record.headers) if name == HEADER_REPLAY_OF), None)
    return _identity(_words(replay_of), record) if replay_of else None


def _without_ours(headers: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    """Without the last error header of each name, and what follows: those before are the sender's own, and stay.

    Without those of a copy that `erase` made, wherever they stand: what is replayed is a copy of nothing that was read.
    """
    ours = {name: at for at, (name, _) in enumerate(headers) if name in _ERROR_HEADERS}
    end = _end_of_errors(headers)
    return tuple(
        (name, value)
        for at, (name, value) in enumerate(headers)
        if name not in COPY_HEADERS  # guarantee: replay-is-no-copy
        and ours.get(name) != at
        and not (name in (HEADER_NAME, HEADER_DROPPED) and at > end)
    )


def _dropped(headers: tuple[tuple[str, bytes], ...]) -> tuple[str, ...]:
    """The parts that our headers name. Headers of that name before our error headers are the sender's."""
    return tuple(_words(value) for name, value in headers[_end_of_errors(headers) + 1 :] if name == HEADER_DROPPED)


def _end_of_errors(headers: tuple[tuple[str, bytes], ...]) -> int:
    """Where the last error header stands; the headers' end where there is none."""
    return max((at for at, (name, _) in enumerate(headers) if name in _ERROR_HEADERS), default=len(headers))


def _place(position: Position) -> str:
    return f"{position.topic}/{position.partition}/{position.offset}"


def _identity(place: str, record: RawRecord) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    receiver = next((value for name, value in record.headers if name == HEADER_RECEIVER), None)
    for part in (place.encode("utf-8", "backslashreplace"), record.key, record.value, receiver):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.digest()


def _words(value: bytes | None) -> str:
    """A header's value may be null, and any bytes."""
    return (value or b"").decode("utf-8", "backslashreplace")
