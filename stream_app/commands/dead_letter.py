"""`stream-app dead-letter`: lists, shows and replays what could not be processed."""

from __future__ import annotations

import heapq
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream_app.commands.options import Brokers, Json, TopicPrefix, settings_from
from stream_app.ports import BrokerUnavailable, ConfigurationError

if TYPE_CHECKING:
    from stream_app.commands.dead_letter_filter import Entry
    from stream_app.commands.dead_letter_replay import OnRead, Plan
    from stream_app.records import RawRecord
    from stream_app.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What could not be processed: list it, show it, replay it.")

_SHOWN = 50  # dead letters on a screen, without --limit
_STOPPED = 130  # as a shell has it after Ctrl-C
_REPORTED_EVERY = 500  # records

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only dead letters with this reason; repeatable.")]
Since = Annotated[
    str | None,
    typer.Option(help="Only dead letters written since then: an age (90s, 15m, 2h, 7d), a day, or a time (UTC)."),
]
Until = Annotated[str | None, typer.Option(help="Only dead letters written before then; as --since.")]
Origin = Annotated[
    str | None,
    typer.Option("--topic", help="Only dead letters from this topic: reviews, reviews.enriched, reviews.alerts."),
]


@app.command(name="list")
def list_(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    topic: Origin = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help="How many, the newest; 0: all. Default: 50, with --json all.")
    ] = None,
    as_json: Json = False,
    brokers: Brokers = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """List dead letters, the newest last, and count them by reason. No text of a review is printed."""
    from stream_app.commands.dead_letter_filter import by_count, demand_known, entries, filter_from
    from stream_app.commands.dead_letter_view import json_of, print_counts, print_table
    from stream_app.kafka.history import read_since
    from stream_app.kafka.reader import read_to_end
    from stream_app.kafka.topics import Topics

    settings = settings_from(brokers=brokers, topic_prefix=topic_prefix)
    asked = filter_from(reason or (), since, until, topic, prefix=settings.topic_prefix, now_ms=_now_ms())
    dead_letters = Topics(settings.topic_prefix).dead_letter
    counts: Counter[str] = Counter()
    all_reasons: Counter[str] = Counter()

    def found(records: Iterator[RawRecord]) -> Iterator[Entry]:
        with _reading(dead_letters) as on_read:
            for count, entry in enumerate(entries(records), start=1):
                on_read(dead_letters, count)
                all_reasons[entry.reason] += 1
                if entry in asked:
                    counts[entry.reason] += 1
                    yield entry

    records = (
        read_to_end(settings, dead_letters)
        if asked.since_ms is None
        else read_since(settings, dead_letters, asked.since_ms)
    )
    newest = limit if limit is not None else (0 if as_json else _SHOWN)
    if newest:
        shown = sorted(heapq.nlargest(newest, found(records), key=lambda entry: entry.order), key=lambda e: e.order)
    else:
        shown = sorted(found(records), key=lambda entry: entry.order)
    if counts and as_json:
        for entry in shown:
            print(orjson.dumps(json_of(entry)).decode())
        return
    if counts:
        print_table(shown)
        print_counts(counts, len(shown))
        return
    demand_known(asked.reasons, all_reasons)
    if as_json:
        return
    if not all_reasons:
        print(
            f"{dead_letters} has no dead letters{'' if asked.since_ms is None else ' from then'}: nothing was rejected."
        )
    else:
        print(f"None of the {all_reasons.total()} dead letters matches. Their reasons: {by_count(all_reasons)}.")


@app.command()
def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As `list` shows it; or PARTITION OFFSET.")],
    offset: Annotated[str | None, typer.Argument(metavar="[OFFSET]", show_default=False)] = None,
    raw: Annotated[bool, typer.Option(help="The original bytes alone, untouched: for a pipe or a file.")] = False,
    brokers: Brokers = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Show one dead letter: why it was rejected, its headers, and the original value. It may hold personal data.

    What a terminal would obey is escaped; --raw writes the value as it is.
    """
    from stream_app import contract
    from stream_app.commands.dead_letter_view import print_dead_letter, why_no_value

    settings = settings_from(brokers=brokers, topic_prefix=topic_prefix)
    dead_letter = contract.read_dead_letter(_record_at(settings, place if offset is None else f"{place}:{offset}"))
    if not raw:
        print_dead_letter(dead_letter)
        return
    if dead_letter.record.value is None:
        raise ConfigurationError(f"There are no bytes: {why_no_value(dead_letter)}.")
    sys.stdout.buffer.write(dead_letter.record.value)
    sys.stdout.buffer.flush()


@app.command()
def replay(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    topic: Origin = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PARTITION:OFFSET", help="This dead letter, as `list` shows it; repeatable. Instead of filters."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every dead letter: required without a terminal and a filter.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many, the oldest first: try one before you replay all.")
    ] = None,
    again: Annotated[bool, typer.Option(help="Those that were replayed before, too.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print what would be done, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask. Without a terminal nothing is asked.")] = False,
    brokers: Brokers = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Publish the original key, value and headers again, to the topic that each dead letter came from.

    Each rejected record is replayed once, however often you run this: what was replayed before is found in the topics,
    by its header stream-app-replay-of, and skipped. A run that was stopped is continued by the next. Let one run end
    before you start another. A review without created_at counts as written when it is replayed.
    """
    from stream_app.commands.dead_letter_filter import filter_from
    from stream_app.commands.dead_letter_filter import place as place_of
    from stream_app.commands.dead_letter_replay import plan_replay
    from stream_app.commands.dead_letter_view import number_of, print_dry_run, print_left, print_nothing, topics_of

    settings = settings_from(brokers=brokers, topic_prefix=topic_prefix)
    asked = filter_from(reason or (), since, until, topic, prefix=settings.topic_prefix, now_ms=_now_ms())
    named = frozenset(map(place_of, at or ()))
    if named and not asked.is_empty:
        raise ConfigurationError(
            "--at names the dead letters itself: leave --reason, --since, --until and --topic away."
        )
    if everything and (named or not asked.is_empty):
        raise ConfigurationError("--all is for every dead letter: leave it away, or the filters.")
    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    # guarantee: replay-of-all-must-be-said
    if asked.is_empty and not (named or everything or limit or dry_run or can_ask):
        raise ConfigurationError(
            "Without a filter every dead letter would be replayed: choose by --reason, --since, --until, --topic or "
            "--at, try --dry-run or --limit 1, or say --all."
        )
    with _reading("dead letters") as on_read:
        plan = plan_replay(settings, asked, named, again=again, limit=limit, now_ms=_now_ms(), on_read=on_read)
    print_left(plan)
    if not plan.chosen:
        print_nothing(plan)
        return
    if dry_run:
        print_dry_run(plan)
        return
    if len(plan.chosen) > 1 and not yes and can_ask:
        every = "every one, for no filter is given: " if asked.is_empty and not named else ""
        typer.confirm(f"Replay {every}{number_of(len(plan.chosen))} to {topics_of(plan)}?", abort=True, err=True)
    _run(settings, plan)


def _run(settings: Settings, plan: Plan) -> None:
    """Replay, with a bar. Raises ConfigurationError when Kafka refused some."""
    from stream_app.commands.dead_letter_replay import Outcome, run_replay
    from stream_app.commands.dead_letter_view import certain, some

    outcome = Outcome()
    go_on = "Run the same command again: it continues with the rest."
    console = Console(stderr=True)
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("", total=len(plan.chosen))
            run_replay(settings, plan, outcome, on_done=lambda: progress.advance(task))
    except BrokerUnavailable as error:
        raise BrokerUnavailable(f"{error} {certain(plan, outcome)} {go_on}") from error
    except KeyboardInterrupt:
        print(f"Stopped. {certain(plan, outcome)} {go_on}", file=sys.stderr)
        raise typer.Exit(_STOPPED) from None
    for topic, count in sorted(outcome.published.items()):
        print(f"{count} replayed to {topic}")
    if outcome.gone:
        print(f"{len(outcome.gone)} deleted meanwhile, and not replayed: {some(outcome.gone)}")
    if outcome.refused:
        refused = some(f"{place} ({words})" for place, words in sorted(outcome.refused.items()))
        raise ConfigurationError(f"Kafka refused {len(outcome.refused)} of them: {refused}.")
    if outcome.published:
        print("What fails again comes back: `stream-app dead-letter list --since 5m`.")


def _record_at(settings: Settings, text: str) -> RawRecord:
    """Raises ConfigurationError when no dead letter is there."""
    from stream_app.commands.dead_letter_filter import place
    from stream_app.kafka.offsets import end_offsets
    from stream_app.kafka.reader import read_to_end
    from stream_app.kafka.topics import Topics

    where = place(text)
    topic = Topics(settings.topic_prefix).dead_letter
    ends = end_offsets(settings, topic)
    if where.partition in ends and where.offset < ends[where.partition]:
        record = next(read_to_end(settings, topic, {**ends, where.partition: where.offset}), None)
        if record is not None and record.offset == where.offset:
            return record
    raise ConfigurationError(f"No dead letter is at {where} of {topic}. `stream-app dead-letter list` shows all.")


@contextmanager
def _reading(what: str) -> Iterator[OnRead]:
    """A line on a terminal that counts what is read; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("reading {task.description}: {task.completed} records"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what)

        def on_read(topic: str, count: int) -> None:
            if count % _REPORTED_EVERY == 1:
                progress.update(task, description=topic, completed=count)

        yield on_read


def _now_ms() -> int:
    return int(time.time() * 1000)
