"""What unit tests put in the place of models, acknowledgements and publisher: in memory, recording."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stream_app.ports import InFlightRecord, MicroBatchPlan, OutOfDeviceMemory, Tokens
from stream_app.records import Message, ModelName, Partition, Position, RawRecord, Scores
from stream_app.steps.batch_plan import PaddedRows

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Words:
    """ports.Tokens: one token per word."""

    text: str
    truncated: bool = False

    @property
    def length(self) -> int:
        return max(1, len(self.text.split()))


def texts_of(batch: Sequence[Tokens]) -> list[str]:
    """What a FakeModel has tokenized."""
    return [tokens.text for tokens in batch if isinstance(tokens, Words)]


class FakeModel(Generic[Result]):
    """ports.TextModel: ``answer`` of each text.

    Switches: it raises on the texts in ``fails_on``, has memory for ``memory_tokens``, fails its canary unless
    ``sane``, and computes nothing while ``gate`` is closed (cleared). ``ran``: the texts of each run that it began.
    """

    plan: MicroBatchPlan = PaddedRows()

    def __init__(self, answer: Callable[[str], Result], *, languages: frozenset[str] | None = None) -> None:
        self.name = ModelName("fake", "1")
        self.languages = languages
        self.fails_on: set[str] = set()
        self.memory_tokens: int | None = None
        self.sane = True
        self.gate = threading.Event()
        self.gate.set()
        self.ran: list[list[str]] = []
        self.out_of_memory = 0
        self._answer = answer

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return [Words(text) for text in texts]

    def run(self, batch: Sequence[Tokens]) -> list[Result]:
        texts = texts_of(batch)
        self.ran.append(texts)
        if not self.gate.wait(timeout=20):
            raise AssertionError("the test never opened the model's gate")
        if self.memory_tokens is not None and sum(tokens.length for tokens in batch) > self.memory_tokens:
            self.out_of_memory += 1
            raise OutOfDeviceMemory("the fake device is full")
        for text in texts:
            if text in self.fails_on:
                raise ValueError(f"cannot read {text!r}")
        return [self._answer(text) for text in texts]

    def canary(self) -> bool:
        return self.sane


def fake_scores(text: str) -> Scores:
    """Negative where the text says "broke", positive where it says "love", else neutral."""
    if "broke" in text:
        return Scores(0.97, 0.02, 0.01)
    return Scores(0.01, 0.02, 0.97) if "love" in text else Scores(0.1, 0.8, 0.1)


def fake_summary(text: str) -> str:
    """The first three words of the text."""
    return " ".join(text.split()[:3]).rstrip(".,")


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
    """ports.Publisher: everything is delivered when the test calls ``deliver``, or at once with ``at_once``."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.published: list[Message] = []
        self._at_once = at_once
        self._waiting: list[Callable[[], None]] = []

    def publish(self, messages: Iterable[Message], on_delivered: Callable[[], None]) -> None:
        self.published += messages
        self._waiting.append(on_delivered)
        if self._at_once:
            self.deliver()

    def deliver(self) -> None:
        """The broker acknowledges all that was published."""
        waiting, self._waiting = self._waiting, []
        for on_delivered in waiting:
            on_delivered()


def in_flight_of(
    value: bytes | None,
    offset: int = 0,
    *,
    topic: str = "reviews",
    partition: int = 0,
    key: bytes | None = b"p",
    timestamp_ms: int = 0,
) -> InFlightRecord:
    """A record as the frame hands it to a role."""
    record = RawRecord(topic, partition, offset, timestamp_ms, key, value)
    return InFlightRecord(record, Partition(topic, partition), epoch=1)


def position(in_flight: InFlightRecord) -> Position:
    """Where a slot's record stands."""
    return Position(in_flight.record.topic, in_flight.record.partition, in_flight.record.offset)
