"""`stream-app tail`: follow what the system publishes."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.text import Text

from stream_app.commands.options import Brokers, Json, TopicPrefix, settings_from
from stream_app.commands.terminal import printable
from stream_app.records import Alert, EnrichedReview, RawRecord, Rejected

app = typer.Typer()
_COLOURS = {"negative": "red", "neutral": "yellow", "positive": "green", "warning": "yellow", "critical": "bold red"}


class Stream(StrEnum):
    enriched = "enriched"
    alerts = "alerts"
    signals = "signals"
    dead_letter = "dead-letter"


@app.command()
def tail(
    stream: Stream,
    as_json: Json = False,
    from_start: Annotated[bool, typer.Option(help="Show what is there already, too.")] = False,
    until_end: Annotated[bool, typer.Option(help="Stop at the present end instead of following.")] = False,
    brokers: Brokers = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Follow enriched reviews, alerts, signals of products, or the dead letter, until Ctrl-C.

    A dead letter's partition:offset is what `stream-app dead-letter show` takes.
    """
    from stream_app import contract
    from stream_app.kafka.reader import read_from, read_to_end
    from stream_app.kafka.topics import Topics

    settings = settings_from(brokers=brokers, topic_prefix=topic_prefix)
    topics = Topics(settings.topic_prefix)
    topic = {
        Stream.enriched: topics.enriched,
        Stream.alerts: topics.alerts,
        Stream.signals: topics.signals,
        Stream.dead_letter: topics.dead_letter,
    }[stream]
    console = Console()
    show = partial(console.print, soft_wrap=not console.is_terminal)  # in a file, one line each
    records = read_to_end(settings, topic) if until_end else read_from(settings, topic, from_end=not from_start)
    try:
        for record in records:
            if as_json or stream is Stream.signals:
                print(_as_json(record, stream), flush=True)
            elif stream is Stream.dead_letter:
                show(_dead_letter_line(record))
            else:
                decode = contract.decode_enriched if stream is Stream.enriched else contract.decode_alert
                show(_line(decode(record)))
    except KeyboardInterrupt:
        return


def _as_json(record: RawRecord, stream: Stream) -> str:
    if stream is not Stream.dead_letter:
        return (record.value or b"null").decode()
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    value = None if record.value is None else record.value.decode("utf-8", "backslashreplace")
    return orjson.dumps(
        {"partition": record.partition, "offset": record.offset, "value": value, "headers": headers}
    ).decode()


def _line(value: EnrichedReview | Alert | Rejected) -> Text:
    if isinstance(value, Rejected):
        return Text(printable(f"unreadable: {value.reason}: {value.detail}"), "red")
    if isinstance(value, Alert):
        words = f" [{', '.join(value.safety_words)}]" if value.safety_words else ""
        head = Text(f"{value.severity:8} ", _COLOURS.get(value.severity, ""))
        about = f"{value.product_id}/{value.review_id}" if value.review_id else value.product_id
        return head.append(printable(f"{value.rule} {about}{words}: {value.sentence or ''}"), "default")
    label = value.sentiment.label if value.sentiment else (value.sentiment_missing or value.kind)
    stars = "★" * (value.rating or 0)
    line = Text(f"{label:9} ", _COLOURS.get(label, "dim"))
    # a deletion without a revision has the largest there is, which says nothing
    revision = "" if value.kind == "deleted" else f" r{value.revision}: {value.summary or ''}"
    return line.append(printable(f"{stars:5} {value.product_id}/{value.review_id}{revision}"), "default")


def _dead_letter_line(record: RawRecord) -> Text:
    from stream_app import contract

    dead_letter = contract.read_dead_letter(record)
    start = (record.value or b"").decode("utf-8", "backslashreplace")[:80]
    return Text(printable(f"{dead_letter.reason:17} "), "red").append(
        printable(f"{record.partition}:{record.offset} {dead_letter.detail}  {start!r}"), "default"
    )
