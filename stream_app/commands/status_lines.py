"""Judges what `stream-app status` found: a line per part, with the next step where something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream_app.kafka.group_status import GroupStatus
    from stream_app.steps.last_error import LastError
    from stream_app.store.backlog import Backlog
    from stream_app.store.workers import Seen

_LATE_SECONDS = 60.0
_SILENT_SECONDS = 15.0  # five heartbeats


@dataclass(frozen=True, slots=True)
class Line:
    """What one part does. ``next_step``: empty where nothing is to be done; ``facts``: for programs."""

    part: str
    words: str
    next_step: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def role_line(one: GroupStatus, view_step: str = "") -> Line:
    """A role that reads a topic: wrong without a worker, or where it is late and does not catch up.

    ``view_step``: what the view needs before a worker of this role stays; empty where that is well.
    """
    lag = f"lag {one.lag_records}" + (f" ({one.lag_seconds:.0f} s)" if one.lag_records else "")
    words = (
        f"{one.members} worker{'' if one.members == 1 else 's'}, {one.assigned} of {one.partitions} partitions, {lag}, "
        f"{one.done_per_second:g}/s done, {one.arriving_per_second:g}/s arriving"
    )
    step = ""
    if not one.members:
        step = (
            f"waits for the view: {view_step}"
            if view_step
            else (
                f"no worker is in its group. One that has just started may be loading its models; else start "
                f"`stream-app worker {one.role}`, or `stream-app up` for all"
            )
        )
    elif one.assigned < one.partitions:
        words += f", group {one.state}"
        if one.lag_seconds > _LATE_SECONDS:
            step = "the group does not settle: see the workers' logs"
    elif one.lag_seconds > _LATE_SECONDS and one.done_per_second <= one.arriving_per_second:
        step = (
            f"does not catch up: start another `stream-app worker {one.role}`"
            if one.done_per_second
            else f"nothing is committed: see the log of {one.role}, and `stream-app check`"
        )
    return Line(one.role, words, step, asdict(one))


def describe_line(found: Backlog, seen: Sequence[Seen], now_ms: int, view_step: str = "") -> Line:
    """`describe` is in no consumer group: that it works is seen by its heartbeat, and by what waits for it."""
    ages = {one.worker: (now_ms - one.at_ms) / 1000 for one in seen if one.worker.startswith("describe")}
    at_work = sum(age < _SILENT_SECONDS for age in ages.values())
    words = (
        f"{at_work} worker{'' if at_work == 1 else 's'}, {found.due} product{'' if found.due == 1 else 's'} due, "
        f"{found.leased} in work"
    )
    if found.due:
        words += f", the oldest for {found.oldest_seconds:.0f} s"
    step = ""
    if not at_work:
        step = view_step and f"waits for the view: {view_step}"
        if not step:
            last, age = min(ages.items(), key=lambda item: item[1], default=("", 0.0))
            step = (
                f"no worker, the last one was {last} {_ago(age)}: it ended with an error, was killed, or hangs. "
                if last
                else "no worker. "
            ) + "Start `stream-app worker describe`, or `stream-app up` for all"
    elif found.oldest_seconds > _LATE_SECONDS:
        step = "does not keep up: start another `stream-app worker describe`, or see its log"
    return Line("describe", words, step, {"members": at_work, **asdict(found)})


def error_lines(errors: Sequence[LastError], now_ms: int) -> list[Line]:
    """The last error of each role, newest first. It is past: the other lines show whether something is wrong now."""
    lines = []
    for one in sorted(errors, key=lambda error: error.at_ms, reverse=True):
        age = (now_ms - one.at_ms) / 1000
        when = datetime.fromtimestamp(one.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        advice = f" (its advice: {one.next_step})" if one.next_step else ""
        words = f"{one.role}, {_ago(age)} ({when}, {one.worker}): {one.words}{advice}"
        lines.append(Line("last error", words, facts=asdict(one)))
    return lines


def _ago(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
