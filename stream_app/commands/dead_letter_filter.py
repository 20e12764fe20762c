"""Selects the dead letters that a command is about, from what is known without their content."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_app import contract
from stream_app.commands.terminal import printable
from stream_app.ports import ConfigurationError
from stream_app.records import Position, RawRecord

_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Place(NamedTuple):
    """Where a dead letter stands in its topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A dead letter without its content. ``size_bytes`` is None where it has no value."""

    place: Place
    at_ms: int
    reason: str
    origin: Position | None
    size_bytes: int | None
    replay_of: str | None
    lacks_original: bool
    identity: bytes

    @property
    def order(self) -> tuple[int, Place]:
        """Oldest first."""
        return self.at_ms, self.place


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; empty: every dead letter. ``topics``: one of these names its topic of origin must have."""

    reasons: frozenset[str] = field(default_factory=frozenset)
    since_ms: int | None = None
    until_ms: int | None = None
    topics: frozenset[str] = field(default_factory=frozenset)

    def __contains__(self, entry: Entry) -> bool:
        """The end of the time is excluded, its beginning is not."""
        return (
            (not self.reasons or entry.reason in self.reasons)
            and (self.since_ms is None or entry.at_ms >= self.since_ms)
            and (self.until_ms is None or entry.at_ms < self.until_ms)
            and (not self.topics or (entry.origin is not None and entry.origin.topic in self.topics))
        )

    @property
    def is_empty(self) -> bool:
        return self == Filter()


def filter_from(
    reasons: Iterable[str], since: str | None, until: str | None, topic: str | None, *, prefix: str, now_ms: int
) -> Filter:
    """What a person wrote, as a filter. Raises ConfigurationError for what is no time, or a time that never was."""
    since_ms = None if since is None else moment("--since", since, now_ms)
    until_ms = None if until is None else moment("--until", until, now_ms)
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise ConfigurationError(f"--since {since} is not before --until {until}: no dead letter is from such a time.")
    topics = frozenset() if topic is None else frozenset({topic, f"{prefix}{topic}"})
    return Filter(frozenset(reasons), since_ms, until_ms, topics)


def demand_known(reasons: Iterable[str], found: Counter[str]) -> None:
    """Raises ConfigurationError for a reason that neither this version nor any of the dead letters knows: mistyped."""
    known = {*contract.REASONS, *found}
    for reason in reasons:
        if reason not in known:
            near = difflib.get_close_matches(reason, known, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            raise ConfigurationError(
                f"--reason {printable(reason)}: there is no such reason.{guess} Reasons of the dead letters that are "
                f"there: {by_count(found) or 'none'}. All reasons: {', '.join(sorted(contract.REASONS))}."
            )


def by_count(counts: Counter[str]) -> str:
    """3 not_json, 1 wrong_type: the most frequent first."""
    return ", ".join(f"{count} {printable(reason)}" for reason, count in counts.most_common())


def moment(option: str, text: str, now_ms: int) -> int:
    """Milliseconds since 1970 of an age (30s, 15m, 2h, 7d, 1w), a day, or an RFC 3339 time; without zone in UTC."""
    age = _AGE.fullmatch(text.strip())
    if age:
        return now_ms - int(float(age[1]) * _UNIT_MS[age[2]])
    written = f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text
    try:
        return contract.from_rfc3339(written)
    except ValueError:
        raise ConfigurationError(
            f"{option} {text!r} is no time: write an age (90s, 15m, 2h, 7d), a day (2026-05-01), or a time "
            "(2026-05-01T12:00:00Z)."
        ) from None


def place(text: str) -> Place:
    """PARTITION:OFFSET. Raises ConfigurationError."""
    found = re.fullmatch(r"(\d{1,9}):(\d{1,18})", text.strip(), re.ASCII)
    if found is None:
        raise ConfigurationError(
            f"{text!r} is no place of a dead letter: write PARTITION:OFFSET, e.g. 0:17, as "
            "`stream-app dead-letter list` shows it."
        )
    return Place(int(found[1]), int(found[2]))


def entry_of(dead_letter: contract.DeadLetter) -> Entry:
    record = dead_letter.record
    return Entry(
        place=Place(record.partition, record.offset),
        at_ms=record.timestamp_ms,
        reason=dead_letter.reason,
        origin=dead_letter.origin,
        size_bytes=None if record.value is None else len(record.value),
        replay_of=dead_letter.replay_of,
        lacks_original=dead_letter.lacks_original,
        identity=dead_letter.identity,
    )


def entries(records: Iterable[RawRecord]) -> Iterator[Entry]:
    """One entry for each record, whoever wrote it; without their content."""
    return (entry_of(contract.read_dead_letter(record)) for record in records)
