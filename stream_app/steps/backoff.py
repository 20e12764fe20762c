"""Pauses between tries of a delivery."""

from __future__ import annotations

_FIRST_MS = 5_000
_LONGEST_MS = 10 * 60_000
MAX_RETRY_AFTER_MS = 3_600_000
"""A receiver that asks for more patience is asked again after this time."""


def pause_of_receiver_ms(failures: int, jitter: float, retry_after_ms: int | None = None) -> int:
    """How long a receiver is left alone after ``failures`` in a row: doubled each time, from 5 s to 10 minutes.

    ``jitter`` in [0, 1) takes up to half of it away; ``retry_after_ms``: what the receiver asked for, at least.
    """
    bound = min(_FIRST_MS * 2 ** min(failures - 1, 16), _LONGEST_MS)
    return max(_jittered(bound, jitter), min(retry_after_ms or 0, MAX_RETRY_AFTER_MS))


def pause_of_message_ms(waited_ms: int, jitter: float) -> int:
    """How long a message that failed steps back behind others: as long as it has waited, from 5 s to 10 minutes.

    So its pauses double without a count of its tries.
    """
    return _jittered(min(max(waited_ms, _FIRST_MS), _LONGEST_MS), jitter)


def _jittered(bound_ms: int, jitter: float) -> int:
    return int(bound_ms * (1 - jitter / 2))
