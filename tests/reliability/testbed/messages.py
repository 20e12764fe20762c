"""The messages that a test sends, and the topics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REVIEWS, ENRICHED, ALERTS, DEAD_LETTER = "reviews", "reviews.enriched", "reviews.alerts", "reviews.dead-letter"
SUMMARIES, SIGNALS = "products.summaries", "products.signals"
ACCEPTED = ""


@dataclass(slots=True)
class Sent:
    """One message of the workload, and what must become of it. ``reason``: of its dead letter; '' where accepted.

    ``topic``: without the installation's prefix. ``is_absent``: it was taken back (an aborted transaction) or removed
    (by retention) before anything could be made of it: it must come out nowhere. ``may_have_alerted``: it was read
    before it was removed, so that its alert may be out. ``may_be_cut``: its dead letter need not have all of its bytes.
    With ``is_raw`` a producer sends it that lets anything through: ``headers``, whose names
    need not be UTF-8, ``timestamp_ms`` (None: now), ``codec``, and an offset ``delta`` that its batch has not.

    ``partition``, ``offset`` and ``acked_at`` (Unix seconds) are the broker's answer.
    """

    key: bytes | None
    value: bytes | None
    reason: str = ACCEPTED
    fields: dict[str, Any] | None = None  # of an accepted one
    p_negative: int = 0  # x 10,000
    partition: int = -1
    offset: int = -1
    acked_at: float = 0.0
    topic: str = REVIEWS
    is_absent: bool = False
    may_have_alerted: bool = False
    may_be_cut: bool = False
    is_raw: bool = False
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
    timestamp_ms: int | None = None
    codec: int = 0
    delta: int = 0

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset
