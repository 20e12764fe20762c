"""How far a worker is behind in its partitions, in records and in seconds, from what its consumer knows already."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from stream_app import telemetry
from stream_app.kafka.consumer_thread import Polled
from stream_app.records import Partition

_EVERY_SECONDS = 1.0
_NO_POLLS: deque[tuple[int, int, int]] = deque()


class ConsumerLag:
    """Judged by positions: an offset behind the last record may be a transaction marker, which is nothing to do.

        read to    34 ── 40      end of what can be read (last fetch answer): 52
        committable 36           lag 52 - 36 = 16 offsets; seconds: the age of the first poll with 36 or more

    While nothing is fetched, for want of room, the end is the one of the last answer.
    """

    def __init__(self, role: str, committable: Callable[[Partition], int | None]) -> None:
        """``committable``: the offset that may be committed; None where nothing arrived yet."""
        self._role = role
        self._committable = committable
        self._ends: dict[Partition, int] = {}
        self._polls: dict[Partition, deque[tuple[int, int, int]]] = {}  # first offset, last, timestamp of the first
        self._next_at = 0.0

    def look(self, polled: Polled, now_ms: int, monotonic: float) -> None:
        """Once per poll."""
        self._ends.update(polled.ends)
        for tp, records in polled.items():
            if records:
                polls = self._polls.setdefault(Partition(*tp), deque())
                polls.append((records[0].offset, records[-1].offset, records[0].timestamp_ms))
        self.report(now_ms, monotonic)

    def report(self, now_ms: int, monotonic: float) -> None:
        """Set the gauges, at most once a second."""
        if monotonic < self._next_at:
            return
        self._next_at = monotonic + _EVERY_SECONDS
        behind, oldest_ms = 0, now_ms
        for partition, end in self._ends.items():
            done = self._committable(partition)  # guarantee: lag-ends-at-what-is-committable
            polls = self._polls.get(partition, _NO_POLLS)
            while polls and done is not None and polls[0][1] < done:
                polls.popleft()
            if done is None and polls:
                done = polls[0][0]
            if done is not None and done < end:
                behind += end - done
                oldest_ms = min(oldest_ms, polls[0][2] if polls else now_ms)
        telemetry.consumer_lagged(self._role, behind, (now_ms - oldest_ms) / 1000)

    def forget(self) -> None:
        """The partitions were taken away."""
        self._ends.clear()
        self._polls.clear()
        self._next_at = 0.0
        telemetry.consumer_lagged(self._role, 0, 0.0)
