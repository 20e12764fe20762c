"""Fakes of the ports to Kafka: they record what is published, and deliver when the test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from stream_app.ports import InFlightRecord
from stream_app.records import Message, Partition, RawRecord


class FakeAcks:
    """ports.Acks. ``calls``: ("early" or "finish", offset, topics of its messages) in order; ``messages`` by topic."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, list[str]]] = []
        self.messages: dict[str, list[Message]] = {}

    def publish_early(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        self._record("early", in_flight, messages)

    def finish(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        self._record("finish", in_flight, messages)

    def finish_all(self, finished: Iterable[tuple[InFlightRecord, Sequence[Message]]]) -> None:
        for in_flight, messages in finished:
            self.finish(in_flight, messages)

    def finished(self) -> list[int]:
        """Offsets of what was finished, in order of finishing."""
        return [offset for kind, offset, _ in self.calls if kind == "finish"]

    def _record(self, kind: str, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        self.calls.append((kind, in_flight.record.offset, [message.topic for message in messages]))
        for message in messages:
            self.messages.setdefault(message.topic, []).append(message)


class FakePublisher:
    """ports.Publisher. ``calls``: the messages of each call; delivered by ``deliver``, or at once with ``at_once``."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.calls: list[list[Message]] = []
        self._at_once = at_once
        self._waiting: dict[int, Callable[[], None]] = {}

    @property
    def published(self) -> list[Message]:
        """The messages of all calls."""
        return [message for messages in self.calls for message in messages]

    @property
    def values(self) -> list[list[bytes | None]]:
        """The values of the messages of each call."""
        return [[message.value for message in messages] for messages in self.calls]

    def publish(self, messages: Iterable[Message], on_delivered: Callable[[], None]) -> None:
        self._waiting[len(self.calls)] = on_delivered
        self.calls.append(list(messages))
        if self._at_once:
            self.deliver()

    def deliver(self, call: int | None = None) -> None:
        """The broker acknowledges the messages of one call, or of all that wait."""
        for number in list(self._waiting) if call is None else [call]:
            self._waiting.pop(number)()


class FakeAlertHistory:
    """ports.AlertHistory, and what makes one: hands over ``values`` when it starts. ``states``: what was called.

    ``late``: alerts of another process that are published, and read only when the end is to be reached.
    """

    def __init__(self, *values: bytes | None) -> None:
        self.values = values
        self.states: list[str] = []
        self.late: tuple[bytes | None, ...] = ()

    def __call__(self, take: Callable[[RawRecord], None]) -> FakeAlertHistory:
        self.take = take
        return self

    def start(self) -> None:
        self.states.append("started")
        self.read(*self.values)

    async def caught_up(self, patience_seconds: float) -> bool:
        self.states.append("caught up")
        return True

    async def reach_end(self, patience_seconds: float) -> bool:
        self.states.append("reached end")
        self.read(*self.late)
        self.late = ()
        return True

    def stop(self) -> None:
        self.states.append("stopped")

    def read(self, *values: bytes | None) -> None:
        """Another process has published these alerts."""
        for value in values:
            self.take(RawRecord("reviews.alerts", 0, 0, 0, None, value))


def in_flight_of(
    value: bytes | None,
    offset: int = 0,
    *,
    topic: str = "reviews",
    partition: int = 0,
    key: bytes | None = b"p",
    timestamp_ms: int = 0,
) -> InFlightRecord:
    """A record as the Faust adapter gives it to a role."""
    record = RawRecord(topic, partition, offset, timestamp_ms, key, value)
    return InFlightRecord(record, Partition(topic, partition), epoch=1)
