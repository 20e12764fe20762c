"""`stream-app status`: is every role at work, and does it keep up; at a glance, with the next command."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from stream_app.commands.options import Brokers, Json, Redis, TopicPrefix, settings_from
from stream_app.commands.status_lines import Line, describe_line, error_lines, role_line
from stream_app.ports import ConfigurationError, Unavailable, ViewLost, with_next_step
from stream_app.role_table import CONSUMING_ROLES, ROLES
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.steps.last_error import LastError
    from stream_app.store.backlog import Backlog
    from stream_app.store.workers import Seen

app = typer.Typer()

_WATCHED_SECONDS = 2.0  # commits are half a second apart
_ANSWER_SECONDS = 5.0


_HOUR_MS = 3_600_000


@app.command()
def status(
    as_json: Json = False, brokers: Brokers = None, redis: Redis = None, topic_prefix: TopicPrefix = None
) -> None:
    """Each role: workers, partitions, lag and rate, its last error; the view, the models, what was rejected lately.

    From Kafka and Redis alone, in about three seconds. Exit code 1 when something is wrong; its line states the next
    step.
    """
    console = Console(soft_wrap=True)
    wrong = False
    for line in lines(settings_from(brokers=brokers, redis=redis, topic_prefix=topic_prefix)):
        wrong = wrong or bool(line.next_step)
        if as_json:
            print(orjson.dumps({**asdict(line), "ok": not line.next_step}).decode(), flush=True)
            continue
        mark = "[red]wrong[/red]" if line.next_step else "[green]ok   [/green]"
        if line.part == "last error":
            mark = "[yellow]past [/yellow]"
        step = f" → {line.next_step}" if line.next_step else ""
        console.print(f"{mark} {line.part:12} {escape(line.words + step)}", highlight=False)
    if wrong:
        raise typer.Exit(1)


def lines(settings: Settings) -> Iterator[Line]:
    """One after the other; what cannot be asked is a line too."""
    from stream_app.kafka.topics import Topics
    from stream_app.kafka.topics_admin import demand_topic
    from stream_app.store.generations import fixed

    now_ms = int(time.time() * 1000)
    view: list[Settings] = []

    def find_kafka() -> list[Line]:
        demand_topic(settings, Topics(settings.topic_prefix).reviews, within_seconds=_ANSWER_SECONDS)
        return []

    def find_view() -> list[Line]:
        view.append(asyncio.run(fixed(settings)))
        return [_view(view[0])]

    seen, noted = _noted(settings)
    away = list(_said("Kafka", find_kafka))
    if away:  # each question would wait as long again
        yield from away
        yield from _errors(settings, noted, now_ms)
        return
    of_view = list(_said("view", find_view))
    yield from of_view
    if view:
        view_step = of_view[0].next_step
        yield from _said("roles", lambda: _roles(view[0], CONSUMING_ROLES, now_ms, view_step))
        yield from _said("describe", lambda: [describe_line(_backlog(view[0], now_ms), seen, now_ms, view_step)])
    else:  # which group is `summarize`'s only Redis knows
        yield from _said("roles", lambda: _roles(settings, ("enrich", "notify"), now_ms))
        yield Line("summarize", "not asked, nor describe: Redis says which view they work on")
    yield from _said("models", lambda: [_models(settings)])
    yield from _said("dead letter", lambda: [_dead_letter(settings, now_ms)])
    yield from _errors(settings, noted, now_ms)


def _said(part: str, ask: Callable[[], list[Line]]) -> Iterator[Line]:
    try:
        yield from ask()
    except (ConfigurationError, Unavailable) as error:
        yield Line(part, "cannot be asked", with_next_step(error))


def _view(settings: Settings) -> Line:
    from stream_app.roles.admission import origin_of
    from stream_app.store.generations import known

    number = settings.fixed_generation
    facts: dict[str, Any] = {"generation": number, "origin": None}
    try:
        origin = origin_of(settings, asyncio.run(known(settings)))
    except ViewLost:
        return Line("view", "Redis lost the view or a part of it, the log is whole", "`stream-app rebuild`", facts)
    if origin is None:
        return Line("view", "none yet: `summarize` begins it", facts=facts)
    return Line("view", f"generation {number}, made from {origin}", facts=facts | {"origin": str(origin)})


def _roles(settings: Settings, roles: Sequence[str], now_ms: int, view_step: str = "") -> list[Line]:
    from stream_app.kafka.group_status import statuses_of

    found = statuses_of(settings, roles, watched_seconds=_WATCHED_SECONDS, now_ms=now_ms)
    return [role_line(one, view_step if ROLES[one.role].follows_view else "") for one in found]


def _backlog(settings: Settings, now_ms: int) -> Backlog:
    from stream_app.store.backlog import backlog

    return asyncio.run(backlog(settings, now_ms))


def _noted(settings: Settings) -> tuple[list[Seen], list[LastError]]:
    """What the workers left in Redis; where it is away, the line of the view reports it."""
    from stream_app.store.workers import workers_of

    try:
        return asyncio.run(workers_of(settings))
    except (ConfigurationError, Unavailable):
        return [], []


def _errors(settings: Settings, noted: Sequence[LastError], now_ms: int) -> list[Line]:
    """What Redis holds and, of this machine's workers, their files, which outlive an outage and a FLUSHALL."""
    from stream_app.roles.last_errors import error_left

    newest: dict[str, LastError] = {}
    for one in (*noted, *(left for role in ROLES if (left := error_left(settings, role)) is not None)):
        if one.role not in newest or newest[one.role].at_ms < one.at_ms:
            newest[one.role] = one
    return error_lines([*newest.values()], now_ms)


def _models(settings: Settings) -> Line:
    from stream_app import contract
    from stream_app.kafka.reader import newest
    from stream_app.kafka.topics import Topics
    from stream_app.records import EnrichedReview

    record = newest(settings, Topics(settings.topic_prefix).enriched)
    review = None if record is None else contract.decode_enriched(record)
    if record is None or not isinstance(review, EnrichedReview):
        return Line("models", "nothing was enriched yet")
    named = {"sentiment": review.sentiment_model, "summary": review.summary_model}
    facts = {name: None if model is None else asdict(model) for name, model in named.items()}
    words = ", ".join(f"{name} {model.name} {model.revision}" for name, model in named.items() if model is not None)
    at = contract.to_rfc3339(review.enriched_at_ms)
    why_none = "none is asked about a deletion" if review.kind == "deleted" else "none was asked"
    return Line("models", f"{words or why_none} (newest review, {at})", facts=facts)


def _dead_letter(settings: Settings, now_ms: int) -> Line:
    from stream_app.commands.dead_letter_filter import by_count, entries
    from stream_app.kafka.history import read_since
    from stream_app.kafka.topics import Topics

    since_ms = now_ms - _HOUR_MS
    records = read_since(settings, Topics(settings.topic_prefix).dead_letter, since_ms)
    recent = [entry for entry in entries(records) if entry.at_ms >= since_ms]
    counts = Counter(entry.reason for entry in recent)
    facts: dict[str, Any] = {"last_hour": dict(counts)}
    if not recent:
        return Line("dead letter", "nothing was rejected in the last hour", facts=facts)
    last = max(recent, key=lambda entry: entry.order)
    facts |= {"last": {"place": str(last.place), "reason": last.reason, "at_ms": last.at_ms}}
    words = f"{by_count(counts)} in the last hour; `stream-app dead-letter show {last.place}` shows the last one"
    ours = {"internal_error", "kills_worker", "model_failed"} & counts.keys()
    return Line("dead letter", words, "see the log of the worker, and report it" if ours else "", facts)
