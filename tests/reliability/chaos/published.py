"""Everything that the topics of an installation hold, read again and again, sorted by the message that it came from."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.reliability.testbed.messages import ALERTS, DEAD_LETTER, ENRICHED, SIGNALS, SUMMARIES

Place = tuple[str, int, int]
"""Topic without its prefix, partition, offset."""

SEVERITIES = ("info", "warning", "critical")
_REASON = "__connect.errors.exception.class.name"
_ERRORS = "__connect.errors."
_DROPPED = "stream-app-dropped"
_NAME = "stream-app-header-name"


class Reader:
    """Reads topics to their present ends, again and again, each from where it stopped."""

    def __init__(self, brokers: str, topics: Sequence[str]) -> None:
        config = {
            "bootstrap.servers": brokers,
            "group.id": "checker",
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",  # a watermark is an end, then, whoever's transaction is open
            "log_level": 2,
        }
        self._consumer = Consumer(config)
        # on the connection of the one above each question would wait for the fetch before it, for half a second
        self._of_ends = Consumer(config)
        self._next: dict[tuple[str, int], int] = {}
        for topic in topics:
            for number in self._of_ends.list_topics(topic, timeout=10).topics[topic].partitions:
                self._next[topic, number] = 0
        self._consumer.assign([TopicPartition(*place, 0) for place in self._next])

    def read(self, seconds: float = 20.0) -> list[Any]:
        """The messages that came since. Raises TimeoutError when the brokers do not answer so long."""
        until = time.monotonic() + seconds
        ends = {place: self._end(place, until) for place in self._next}
        messages = []
        while any(self._next[place] < end for place, end in ends.items()):
            for message in self._consumer.consume(2000, timeout=0.5):
                if message.error() is None:
                    messages.append(message)
                    self._next[message.topic(), message.partition()] = message.offset() + 1
            if time.monotonic() > until:
                raise TimeoutError(f"the topics could not be read to their ends in {seconds:.0f} s")
        return messages

    def close(self) -> None:
        self._consumer.close()
        self._of_ends.close()

    def _end(self, place: tuple[str, int], until: float) -> int:
        while True:
            try:
                return int(self._of_ends.get_watermark_offsets(TopicPartition(*place), timeout=2)[1])
            except KafkaException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)  # until the brokers answer again
                self._refresh_metadata()

    def _refresh_metadata(self) -> None:
        """A broker that was asked while it started knew no topics, and librdkafka believes that for up to 5 minutes."""
        with suppress(KafkaException):
            self._consumer.list_topics(timeout=2)
            self._of_ends.list_topics(timeout=2)


class State(NamedTuple):
    """What one enriched review says, among all that were ever published."""

    product_id: str
    review_id: str
    revision: int
    deleted: bool
    enrichment_version: int


class Enriched(NamedTuple):
    """A record of `reviews.enriched`; ``at``: when it was produced, Unix seconds."""

    at: float
    value: dict[str, Any]


class DeadLetter(NamedTuple):
    """A record of the dead letter. Its parts are kept as their sizes and hashes (see ``digest``); ``dropped``: what it
    says of those that it lacks.
    """

    at: float
    reason: str
    key: str
    value: str
    headers: str
    dropped: frozenset[str]


class Raised(NamedTuple):
    """A record of `reviews.alerts`; ``severity``: its place among SEVERITIES; ``at``: when it was produced, Unix
    seconds; of a product, the hours it is about.
    """

    product_id: str
    revision: int
    severity: int
    at: float = 0.0
    begins_at: str = ""
    ends_at: str = ""


@dataclass(slots=True)
class Published:
    """Everything that came out since the beginning. ``prefix``: of the installation's topics."""

    prefix: str = ""
    enriched: dict[Place, list[Enriched]] = field(default_factory=lambda: defaultdict(list))
    firsts: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # partition -> offsets, as seen
    dead_letters: dict[Place, list[DeadLetter]] = field(default_factory=lambda: defaultdict(list))
    alerts: dict[str, list[Raised]] = field(default_factory=lambda: defaultdict(list))  # by id, in order
    states: dict[str, set[State]] = field(default_factory=lambda: defaultdict(set))  # by ce_id
    summaries: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))  # by ce_id
    signals: dict[str, dict[str, Any]] = field(default_factory=dict)  # by product, the last ones

    def take(self, messages: Iterable[Any]) -> None:
        """Sort messages of the output topics in; within a topic's partition they come in order."""
        for message in messages:
            at = message.timestamp()[1] / 1000
            match message.topic().removeprefix(self.prefix):
                case "reviews.enriched":
                    self._take_enriched(at, message)
                case "reviews.dead-letter":
                    self._take_dead_letter(at, message)
                case "reviews.alerts":
                    self._take_alert(at, message)
                case "products.summaries":
                    value = json.loads(message.value())
                    self.summaries[_ce_id(message)].add((value["product_id"], str(value["state_version"])))

                case "products.signals":
                    value = json.loads(message.value())
                    self.signals[value["product_id"]] = value

    def __contains__(self, place: Place) -> bool:
        return place in self.enriched or place in self.dead_letters

    def _take_enriched(self, at: float, message: Any) -> None:
        value = _json(message)
        if value is None:  # one of the workload's own, which is no enriched review
            return
        place = self._short(value["input"]["topic"]), value["input"]["partition"], value["input"]["offset"]
        if place not in self.enriched:
            self.firsts[place[1]].append(place[2])
        self.enriched[place].append(Enriched(at, value))
        state = State(
            value["product_id"],
            value["review_id"],
            value["revision"],
            value["kind"] == "deleted",
            value["enrichment_version"],
        )
        self.states[_ce_id(message)].add(state)

    def _take_dead_letter(self, at: float, message: Any) -> None:
        headers = message.headers() or []
        named = dict(headers)
        place = (
            self._short(_text(named[_ERRORS + "topic"])),
            int(named[_ERRORS + "partition"]),
            int(named[_ERRORS + "offset"]),
        )
        own = [(name, value) for name, value in headers if not name.startswith((_ERRORS, _NAME, _DROPPED))]
        one = DeadLetter(
            at,
            _text(named[_REASON]),
            digest(message.key()),
            digest(message.value()),
            digest_of_headers((name.encode(), value) for name, value in own),
            frozenset(_text(value) for name, value in headers if name == _DROPPED),
        )
        self.dead_letters[place].append(one)

    def _take_alert(self, at: float, message: Any) -> None:
        value = _json(message)
        if value is not None:
            window = value.get("window") or {}
            raised = Raised(
                value["product_id"],
                value.get("revision") or 0,
                SEVERITIES.index(value["severity"]),
                at,
                window.get("begins_at") or "",
                window.get("ends_at") or "",
            )
            self.alerts[value["alert_id"]].append(raised)

    def _short(self, topic: str) -> str:
        return topic.removeprefix(self.prefix)


def digest(data: bytes | None) -> str:
    """Size and hash as a dead letter states them: large records are not kept."""
    return "none" if data is None else f"bytes={len(data)};sha256={sha256(data).hexdigest()}"


def digest_of_headers(headers: Iterable[tuple[bytes, bytes | None]]) -> str:
    """The same of names and values, each behind its length and a colon, -1 for null."""
    parts = [part for header in headers for part in header]
    hashed = sha256(b"".join(b"%d:" % (-1 if part is None else len(part)) + (part or b"") for part in parts))
    return f"bytes={sum(len(part or b'') for part in parts)};sha256={hashed.hexdigest()}"


def topics_of(prefix: str) -> list[str]:
    """The topics that a Published is made of."""
    return [prefix + name for name in (ENRICHED, DEAD_LETTER, ALERTS, SUMMARIES, SIGNALS)]


def _ce_id(message: Any) -> str:
    return _text(dict(message.headers() or ()).get("ce_id"))


def _json(message: Any) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(message.value())
    except ValueError:
        return None
    return value


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")
