"""`stream-app publish`: reviews from a file to the reviews topic."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stream_app.commands.options import Brokers, TopicPrefix, settings_from
from stream_app.commands.review_files import Line, read_lines

if TYPE_CHECKING:
    from stream_app.kafka.feed import Feed

app = typer.Typer()


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(help="JSONL (one review a line) or CSV with a header; - is not supported.")],
    rate: Annotated[float, typer.Option(help="Reviews per second; 0: as fast as the broker takes them.")] = 0.0,
    retime: Annotated[bool, typer.Option(help="Shift all dates so that the last review is now.")] = False,
    raw: Annotated[bool, typer.Option(help="Send each line's bytes untouched, whatever they are.")] = False,
    brokers: Brokers = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Publish the reviews of FILE, keyed by product_id as the shop's own producer does.

    Fields: product_id, review_id, text; optional: title, rating (1-5), created_at, updated_at, revision, deleted,
    language. Returns after the broker acknowledged everything.
    """
    from stream_app.kafka.feed import Feed

    settings = settings_from(brokers=brokers, topic_prefix=topic_prefix)
    lines = read_lines(file, retime_to=datetime.now(UTC) if retime else None, raw=raw)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TextColumn("reviews"), TimeElapsedColumn())
    with Progress(*columns) as progress, Feed(settings) as feed:
        task = progress.add_task("publishing", total=len(lines))
        send(lines, feed, rate=rate, on_sent=lambda: progress.advance(task))
    print(f"{len(lines)} published to {feed.topic}")


def send(
    lines: Sequence[Line],
    feed: Feed,
    *,
    rate: float,
    on_sent: Callable[[], None],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Send the lines at ``rate`` a second (0: at once) and wait until all are acknowledged."""
    began = time.monotonic()
    for number, line in enumerate(lines):
        if rate > 0:
            while (pause := began + number / rate - time.monotonic()) > 0 and not stopped():
                time.sleep(min(pause, 0.2))  # the pace of the replay
                feed.poll()
        if stopped():
            break
        feed.send(line.key, line.value)
        on_sent()
    feed.flush()
