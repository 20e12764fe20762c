"""`stream-app publish`: reviews from a file to the reviews topic."""

from __future__ import annotations

import difflib
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stream_app.commands.options import Brokers, TopicPrefix, settings_from
from stream_app.commands.review_files import FIELDS, Line, read_lines
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.kafka.blocking_producer import BlockingProducer

app = typer.Typer()

_SHOWN_REJECTS = 10
_ANSWER_SECONDS = 5.0
_INTERRUPTED = 130  # as shells report SIGINT


@app.command()
def publish(
    file: Annotated[
        Path, typer.Argument(help="JSON lines, a JSON array, or CSV with a header; - reads standard input.")
    ],
    rate: Annotated[float, typer.Option(help="Reviews per second; 0: as fast as the broker takes them.")] = 0.0,
    retime: Annotated[bool, typer.Option(help="Shift all dates so that the last review is now.")] = False,
    raw: Annotated[
        bool, typer.Option(help="Send each line's bytes untouched and unchecked, whatever they are.")
    ] = False,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=NAME: the CSV column NAME holds this field. Give it once a field.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check the file; publish nothing.")] = False,
    brokers: Brokers = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Publish the reviews of FILE, keyed by product_id as the shop's own producer does.

    Fields: product_id, review_id, text; optional: title, rating (1-5), created_at, updated_at, revision, deleted,
    language. All lines are checked before the first one is published. Returns after the broker acknowledged everything.
    """
    settings = settings_from(brokers=brokers, topic_prefix=topic_prefix)
    lines = read_lines(file, retime_to=datetime.now(UTC) if retime else None, raw=raw, columns=_columns(column or []))
    if not raw:
        _check(lines, settings)
        _warn_of_unknown(lines)
    if dry_run:
        products = Counter(line.key for line in lines)
        print(f"{len(lines)} reviews of {len(products)} products would be published. The first one:")
        print(lines[0].value.decode("utf-8", "backslashreplace")[:2000])
        return
    _publish(lines, settings, rate)


def _columns(options: Sequence[str]) -> dict[str, str]:
    columns = {}
    for option in options:
        field, equals, name = option.partition("=")
        if not equals or not name or field not in FIELDS:
            raise ConfigurationError(f"--column {option}: write FIELD=NAME, with one of {', '.join(FIELDS)}.")
        columns[field] = name
    return columns


def _check(lines: Sequence[Line], settings: Settings) -> None:
    """Raises ConfigurationError that names the lines which a worker would reject."""
    from stream_app import contract
    from stream_app.records import RawRecord, Rejected

    now_ms = int(time.time() * 1000)
    rejects = []
    for line in lines:
        review = contract.decode_review(
            RawRecord("", 0, 0, now_ms, line.key, line.value),
            now_ms=now_ms,
            max_future_ms=settings.max_future_seconds * 1000,
            max_text_characters=settings.max_text_characters,
        )
        if isinstance(review, Rejected):
            rejects.append(f"  line {line.number}: {review.reason}: {review.detail}")
    if rejects:
        more = f"\n  and {len(rejects) - _SHOWN_REJECTS} more" if len(rejects) > _SHOWN_REJECTS else ""
        shown = "\n".join(rejects[:_SHOWN_REJECTS])
        raise ConfigurationError(
            f"{len(rejects)} of {len(lines)} reviews would be rejected, so nothing was published:\n{shown}{more}\n"
            "Correct them, or publish all the same with --raw: the dead letter then takes these."
        )


def _warn_of_unknown(lines: Sequence[Line]) -> None:
    """Fields that are nearly a review's are most likely mistyped: nothing reads them."""
    names = Counter(name for line in lines for name in orjson.loads(line.value) if name not in FIELDS)
    for name, count in names.items():
        if near := difflib.get_close_matches(name, FIELDS, 1, 0.75):
            print(f"Field {name!r} of {count} reviews is not read; did you mean {near[0]}?", file=sys.stderr)


def _publish(lines: Sequence[Line], settings: Settings, rate: float) -> None:
    from stream_app.kafka.blocking_producer import BlockingProducer
    from stream_app.kafka.topics import Topics
    from stream_app.kafka.topics_admin import demand_topic

    demand_topic(settings, Topics(settings.topic_prefix).reviews, within_seconds=_ANSWER_SECONDS)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TextColumn("acknowledged"), TimeElapsedColumn())
    console = Console(stderr=True)
    producer: BlockingProducer | None = None
    try:
        with Progress(*columns, console=console) as progress, BlockingProducer(settings) as producer:
            task = progress.add_task("publishing", total=len(lines))
            silence = _Silence(producer, console)

            def show(acknowledged: int) -> None:
                progress.update(task, completed=acknowledged)
                silence.look()

            send(lines, producer, rate=rate, on_progress=show)
    except KeyboardInterrupt:
        acknowledged = producer.acknowledged if producer else 0
        console.print(
            f"Interrupted: Kafka acknowledged {acknowledged} of {len(lines)} reviews, in the order of the file. "
            "Publishing the file again does no harm: a review that came before changes nothing.",
            highlight=False,
        )
        raise typer.Exit(_INTERRUPTED) from None
    print(f"{producer.acknowledged} published to {producer.topic}")


class _Silence:
    """Says once that the broker has stopped to answer."""

    def __init__(self, producer: BlockingProducer, console: Console) -> None:
        self._producer = producer
        self._console = console
        self._seen = (0, time.monotonic())
        self._said = False

    def look(self) -> None:
        acknowledged, now = self._producer.acknowledged, time.monotonic()
        if acknowledged != self._seen[0] or not self._producer.outstanding:
            self._seen = (acknowledged, now)
        elif not self._said and now - self._seen[1] > _ANSWER_SECONDS:
            self._said = True
            self._console.print(
                f"Kafka has acknowledged nothing for {_ANSWER_SECONDS:.0f} s; still trying. Ctrl-C gives up.",
                highlight=False,
            )


def send(
    lines: Sequence[Line],
    producer: BlockingProducer,
    *,
    rate: float,
    on_progress: Callable[[int], None],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Send the lines at ``rate`` a second (0: at once) and wait until all are acknowledged.

    ``on_progress`` is called with the number of acknowledged ones, after each and while the last ones are waited for.
    """
    began = time.monotonic()
    for number, line in enumerate(lines):
        if rate > 0:
            while (pause := began + number / rate - time.monotonic()) > 0 and not stopped():
                time.sleep(min(pause, 0.2))  # the pace of the replay
                producer.poll()
        if stopped():
            break
        producer.send(line.key, line.value)
        on_progress(producer.acknowledged)
    producer.flush(on_wait=lambda: on_progress(producer.acknowledged))
    on_progress(producer.acknowledged)
