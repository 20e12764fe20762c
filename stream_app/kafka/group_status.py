"""What Kafka knows of a role at work: who is in its consumer group, how far it is behind, and how fast it goes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream_app.kafka.groups import committed_offsets, described, topic_of
from stream_app.kafka.offsets import begin_offsets, end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One role that reads a topic. Rates are records per second, committed and arriving, of the time that was watched;
    ``lag_seconds``: age of the oldest record that is not committed, 0 without a lag.
    """

    role: str
    group: str
    state: str
    members: int
    partitions: int
    assigned: int
    lag_records: int
    lag_seconds: float
    done_per_second: float
    arriving_per_second: float


@dataclass(frozen=True, slots=True)
class _Offsets:
    at: float  # time.monotonic()
    ends: Mapping[int, int]
    done: Mapping[int, int]


def statuses_of(
    settings: KafkaSettings, roles: Sequence[str], *, watched_seconds: float, now_ms: int
) -> list[GroupStatus]:
    """Look at each role's group, twice. ``settings`` name a generation of the view.

    Raises BrokerUnavailable, or ConfigurationError when a topic is missing.
    """
    first = {role: _offsets(settings, role) for role in roles}
    time.sleep(watched_seconds)
    return [_status(settings, role, first[role], now_ms) for role in roles]


def _offsets(settings: KafkaSettings, role: str) -> _Offsets:
    topic = topic_of(settings, role)
    committed, begins = committed_offsets(settings, role), begin_offsets(settings, topic)
    done = {number: max(committed.get(number, 0), begin) for number, begin in begins.items()}
    return _Offsets(time.monotonic(), end_offsets(settings, topic), done)


def _status(settings: KafkaSettings, role: str, before: _Offsets, now_ms: int) -> GroupStatus:
    after = _offsets(settings, role)
    seconds = after.at - before.at
    behind = {number: end - after.done[number] for number, end in after.ends.items() if end > after.done[number]}
    group = described(settings, role)
    return GroupStatus(
        role=role,
        group=settings.group(role),
        state=group.state.name.lower(),
        members=len(group.members),
        partitions=len(after.ends),
        assigned=sum(len(one.assignment.topic_partitions) for one in group.members if one.assignment),
        lag_records=sum(behind.values()),
        lag_seconds=_age_of_oldest(settings, topic_of(settings, role), after, behind, now_ms),
        done_per_second=_per_second(before.done, after.done, seconds),
        arriving_per_second=_per_second(before.ends, after.ends, seconds),
    )


def _per_second(before: Mapping[int, int], after: Mapping[int, int], seconds: float) -> float:
    return max(0.0, round(sum(after.get(number, 0) - offset for number, offset in before.items()) / seconds, 1))


def _age_of_oldest(
    settings: KafkaSettings, topic: str, offsets: _Offsets, behind: Mapping[int, int], now_ms: int
) -> float:
    """Seconds since the oldest record that is not committed, from the first one of each partition that is behind."""
    starts = {number: offsets.done[number] if number in behind else end for number, end in offsets.ends.items()}
    missing, oldest_ms = set(behind), now_ms
    for record in read_to_end(settings, topic, starts) if missing else ():
        if record.partition in missing:
            missing.discard(record.partition)
            oldest_ms = min(oldest_ms, record.timestamp_ms)
        if not missing:
            break
    return round((now_ms - oldest_ms) / 1000, 1)
