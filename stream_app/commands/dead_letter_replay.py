"""Replays dead letters, each once: what was replayed before is read from the topics themselves.

1. plan: read the whole dead-letter topic; choose; look for replays in the topics of origin, from the time of the
   first dead letter
2. run: read the chosen dead letters again, and publish their originals with a header that names the record they replay

So a run that died anywhere is continued by the next one: what had reached its topic is found there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from stream_app import contract
from stream_app.commands.dead_letter_filter import Entry, Filter, Place, demand_known, entry_of
from stream_app.kafka.blocking_producer import republish
from stream_app.kafka.history import complete_since, read_since
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.ports import ConfigurationError
from stream_app.records import Message
from stream_app.settings import Settings

_CLOCKS_DIFFER_MS = 10 * 60_000
"""A replay is stamped by another clock than its dead letter; it may seem older by this much."""

OnRead = Callable[[str, int], None]


class Left(StrEnum):
    """Why a dead letter is left where it is."""

    replayed = "replayed before"
    copy = "written twice: another dead letter has the same original"
    unsure = "perhaps replayed before: their topic no longer holds all that came since; --again replays them"
    tombstone = "tombstones, which would only come back; --reason tombstone or --at replays them"
    incomplete = "without their whole original, which is not kept here (show says what is left out)"
    foreign = "of somebody else: they name no topic of ours"


_IMPOSSIBLE = (Left.foreign, Left.incomplete)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay, oldest first, and what not. ``beyond_limit``: how many more there would be; ``reasons``: of all
    dead letters, whether asked for or not.
    """

    chosen: list[Entry]
    left: dict[Left, list[Entry]]
    beyond_limit: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``published`` per topic; ``refused``: the broker's words; ``gone``: deleted since the plan was made."""

    published: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    refused: dict[Place, str] = field(default_factory=dict)
    gone: list[Place] = field(default_factory=list)


@dataclass(slots=True)
class _DeadLetters:
    """What one reading of the dead letter topic found."""

    asked: list[Entry] = field(default_factory=list)
    first_ms: dict[bytes, int] = field(default_factory=dict)  # when a rejected record's first dead letter was written
    reasons: Counter[str] = field(default_factory=Counter)
    came_back: set[bytes] = field(default_factory=set)  # replayed, and rejected again


def plan_replay(
    settings: Settings,
    asked: Filter,
    named: frozenset[Place],
    *,
    again: bool,
    limit: int | None,
    now_ms: int,
    on_read: OnRead = lambda _topic, _count: None,
) -> Plan:
    """Which dead letters to replay: those ``named`` or, without any, those that the filter asks for.

    again: those that were replayed before, too. ``on_read(topic, records)`` reports how far the reading is.
    Raises ConfigurationError when a named dead letter is not there or cannot be replayed, or a reason does not exist.
    """
    dead_letters = _read_dead_letters(settings, asked, named, on_read)
    demand_known(asked.reasons, dead_letters.reasons)
    if missing := named - {entry.place for entry in dead_letters.asked}:
        raise ConfigurationError(f"No dead letter is at {_list(missing)}. `stream-app dead-letter list` shows all.")
    topics = Topics(settings.topic_prefix)
    ours = {topics.reviews, topics.enriched, topics.alerts}
    left: dict[Left, list[Entry]] = defaultdict(list)
    possible: list[Entry] = []
    for entry in sorted(dead_letters.asked, key=lambda entry: entry.order):
        why = _never(entry, ours, tombstones=bool(named) or contract.TOMBSTONE in asked.reasons)
        if why is None:
            possible.append(entry)
        else:
            left[why].append(entry)
    if named and (impossible := [entry for why in _IMPOSSIBLE for entry in left[why]]):
        places = ", ".join(f"{entry.place} ({_where(entry)})" for entry in impossible)
        raise ConfigurationError(f"These dead letters cannot be replayed: {places}. Nothing was replayed.")
    before = {} if again else _replayed_before(settings, possible, dead_letters, now_ms, on_read)
    chosen: dict[bytes, Entry] = {}
    for entry in possible:
        # guarantee: copies-are-replayed-once
        why = before.get(entry.identity) or (Left.copy if entry.identity in chosen else None)
        if why is None:
            chosen[entry.identity] = entry
        else:
            left[why].append(entry)
    todo = list(chosen.values())
    cut = todo if limit is None else todo[:limit]
    return Plan(cut, {why: left[why] for why in Left if left[why]}, len(todo) - len(cut), dead_letters.reasons)


def run_replay(settings: Settings, plan: Plan, outcome: Outcome, on_done: Callable[[], None] = lambda: None) -> None:
    """Publish the originals of the plan; ``outcome`` grows with every answer of the broker, also when this raises.

    Raises BrokerUnavailable; what was not reported may then have reached its topic, and a second run will see it.
    """
    todo = {entry.place: entry for entry in plan.chosen}
    sent: list[tuple[Place, str]] = []

    def done(number: int, refusal: str | None) -> None:
        where, topic = sent[number]
        if refusal is None:
            outcome.published[topic] += 1
        else:
            outcome.refused[where] = refusal
        on_done()

    republish(settings, _originals(settings, todo, sent), done)
    outcome.gone.extend(todo)


def _originals(settings: Settings, todo: dict[Place, Entry], sent: list[tuple[Place, str]]) -> Iterator[Message]:
    """In the order of their topic, which per key is the order in which they were rejected. Empties ``todo``."""
    topic = Topics(settings.topic_prefix).dead_letter
    starts = dict(end_offsets(settings, topic))
    for where in todo:
        starts[where.partition] = min(starts.get(where.partition, where.offset), where.offset)
    for record in read_to_end(settings, topic, starts) if todo else ():
        entry = todo.get(Place(record.partition, record.offset))
        if entry is None:
            continue
        dead_letter = contract.read_dead_letter(record)
        if dead_letter.identity == entry.identity:  # else the topic was recreated since
            message = contract.replay_message(dead_letter)
            del todo[entry.place]
            sent.append((entry.place, message.topic))
            yield message
        if not todo:
            return


def _read_dead_letters(settings: Settings, asked: Filter, named: frozenset[Place], on_read: OnRead) -> _DeadLetters:
    """All of them: a dead letter that is not asked for may show that another one was replayed, or is a copy of it."""
    topic = Topics(settings.topic_prefix).dead_letter
    dead_letters = _DeadLetters()
    for count, record in enumerate(read_to_end(settings, topic), start=1):
        on_read(topic, count)
        entry = entry_of(contract.read_dead_letter(record))
        dead_letters.reasons[entry.reason] += 1
        earliest = dead_letters.first_ms.get(entry.identity, entry.at_ms)
        dead_letters.first_ms[entry.identity] = min(earliest, entry.at_ms)
        if (replayed := contract.replayed_identity(record)) is not None:
            dead_letters.came_back.add(replayed)
        if entry.place in named if named else entry in asked:
            dead_letters.asked.append(entry)
    return dead_letters


def _replayed_before(
    settings: Settings, possible: list[Entry], dead_letters: _DeadLetters, now_ms: int, on_read: OnRead
) -> dict[bytes, Left]:
    """For dead letters that were replayed before, or may have been: which of both."""
    answer = {entry.identity: Left.replayed for entry in possible if entry.identity in dead_letters.came_back}
    wanted: dict[str, dict[bytes, int]] = defaultdict(dict)  # topic of origin -> identity -> since when to look
    for entry in possible:
        if entry.origin is not None and entry.identity not in answer:
            since_ms = dead_letters.first_ms[entry.identity] - _CLOCKS_DIFFER_MS
            wanted[entry.origin.topic][entry.identity] = since_ms
    for topic, since in wanted.items():
        complete_ms = complete_since(settings, topic, now_ms)
        for count, record in enumerate(read_since(settings, topic, min(since.values())), start=1):
            on_read(topic, count)
            replayed = contract.replayed_identity(record)
            if replayed is not None and since.pop(replayed, None) is not None:
                answer[replayed] = Left.replayed  # guarantee: replayed-once
                if not since:
                    break
        answer.update((identity, Left.unsure) for identity, since_ms in since.items() if since_ms < complete_ms)
    return answer


def _never(entry: Entry, ours: set[str], *, tombstones: bool) -> Left | None:
    if entry.origin is None or entry.origin.topic not in ours:
        return Left.foreign
    if entry.lacks_original:
        return Left.incomplete
    if entry.reason == contract.TOMBSTONE and not tombstones:
        return Left.tombstone
    return None


def _where(entry: Entry) -> str:
    if entry.lacks_original and entry.origin is not None:
        topic, partition, offset = entry.origin
        return f"its original is not kept here, whole; look for it in {topic} at {partition}:{offset}"
    return "it names no topic of ours"


def _list(places: frozenset[Place]) -> str:
    return ", ".join(map(str, sorted(places)))
