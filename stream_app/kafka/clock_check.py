"""Compares this machine's clock with the timestamps of records that were just appended."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Any

from stream_app import telemetry
from stream_app.kafka.consumer_thread import Polled

MAX_DISAGREEMENT_SECONDS = 60.0
_SAMPLES = 31  # polls, not records: a burst of one producer counts once
_ENOUGH_SAMPLES = 5
_REPORT_EVERY_SECONDS = 300.0


class ClockCheck:
    """Measures the difference to the clocks of brokers and producers, since Kafka's protocol has no time of day.

    A record's timestamp is the broker's where the topic has message.timestamp.type=LogAppendTime, else its producer's.
    Where a partition was read to its end before, its next record was appended since:

        at its end at 10:00:00, next record polled at 10:00:02:   timestamp in between: the clocks agree
                                                                  09:55:01: ours is 299 s ahead
                                                                  10:05:00: ours is 298 s behind

    The median of the last polls counts: one producer with a wrong clock among others is not taken for our own. Nothing
    is rejected for it.
    """

    def __init__(self, role: str) -> None:
        self._role = role
        self._at_end: dict[Any, float] = {}  # partition -> when it was seen at its end, time.monotonic()
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._reported_at: float | None = None

    def look(self, polled: Polled, now_ms: int, monotonic: float) -> None:
        """Once per poll. ``now_ms``: this machine's clock; ``monotonic``: seconds, never set."""
        for tp, records in polled.items():
            was_at_end = self._at_end.get(tp)
            if not records or was_at_end is None:
                continue
            ahead = now_ms / 1000 - records[-1].timestamp_ms / 1000
            # appended since it was at its end: that part of the difference is the record's way to us
            self._samples.append(ahead if ahead < 0 else max(0.0, ahead - (monotonic - was_at_end)))
        if polled:
            self._compare(now_ms, monotonic)
        self._at_end = dict.fromkeys(polled.at_end, monotonic)

    def _compare(self, now_ms: int, monotonic: float) -> None:
        if len(self._samples) < _ENOUGH_SAMPLES:
            return
        ahead = median(self._samples)
        telemetry.clock_was_compared(self._role, ahead)
        if abs(ahead) <= MAX_DISAGREEMENT_SECONDS:
            return
        if self._reported_at is None or monotonic - self._reported_at >= _REPORT_EVERY_SECONDS:
            self._reported_at = monotonic
            telemetry.clock_disagrees(self._role, ahead, now_ms)
