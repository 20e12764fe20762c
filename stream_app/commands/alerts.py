"""`stream-app alerts`: the receivers of alerts (their state, a test, enabling one again), and what people do about
alerts.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream_app.commands.alert_handling import acknowledge, mute
from stream_app.commands.options import Json, Redis, TopicPrefix, settings_from
from stream_app.commands.terminal import printable
from stream_app.ports import ConfigurationError

if TYPE_CHECKING:
    from stream_app.delivery.outcome import Outcome
    from stream_app.delivery.receivers import Receiver, Receivers
    from stream_app.settings import Settings
    from stream_app.steps.delivery_queue import QueueStatus

app = typer.Typer(
    no_args_is_help=True,
    help="The receivers of alerts: their state, a test, enabling one again. Acknowledge and mute alerts.",
)
app.command()(acknowledge)
app.command()(mute)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The receiver's name in the file of receivers.")]


@app.command()
def receivers(as_json: Json = False, redis: Redis = None, topic_prefix: TopicPrefix = None) -> None:
    """List the receivers: healthy, retrying since when, or disabled; what waits for each; the last error.

    One that waits although the file does not name it any more is listed too. Exit code 1 when one is not healthy.
    """
    settings = settings_from(redis=redis, topic_prefix=topic_prefix)
    known = _receivers(settings)
    statuses = asyncio.run(_statuses(settings, known))
    if not statuses:
        Console(stderr=True).print("No receivers: name a file in STREAM_APP_RECEIVERS_FILE; docs/alerts.md has one.")
        return
    now_ms = _now_ms()
    lines = [_line(name, known.by_name.get(name), status, now_ms) for name, status in statuses.items()]
    if as_json:
        for line in lines:
            print(orjson.dumps(line).decode())
    else:
        _show(lines)
    if any(line["state"] != "healthy" for line in lines):
        raise typer.Exit(1)


@app.command()
def test(name: Name) -> None:
    """Send a test alert to receiver NAME now, past its queue and its rules, and print what it answered.

    Exit code 1 when it was not delivered. A receiver of kind pagerduty opens an incident.
    """
    receiver = _named(_receivers(settings_from()), name)
    began = time.perf_counter()
    outcome = asyncio.run(_sent(receiver))
    took = f"{time.perf_counter() - began:.2f} s"
    if outcome.error:
        print(f"{name}: not delivered after {took}: {outcome.error}")
        raise typer.Exit(1)
    print(f"{name}: delivered in {took}{f'; {outcome.remark}' if outcome.remark else ''}")


@app.command()
def enable(name: Name, redis: Redis = None, topic_prefix: TopicPrefix = None) -> None:
    """Deliver to receiver NAME again, at once: after it answered 410 Gone, or while it is left alone after failures."""
    settings = settings_from(redis=redis, topic_prefix=topic_prefix)
    _named(_receivers(settings), name)
    status = asyncio.run(_enabled(settings, name))
    print(f"{name}: enabled; {status.waiting} alerts wait for it")


def _receivers(settings: Settings) -> Receivers:
    from stream_app.delivery.receivers_file import read_receivers, variables

    return read_receivers(settings.receivers_file, variables())


def _named(known: Receivers, name: str) -> Receiver:
    if name not in known.by_name:
        names = ", ".join(known.by_name) or "none: STREAM_APP_RECEIVERS_FILE is empty"
        raise ConfigurationError(f"There is no receiver {printable(name)!r}. Receivers: {names}.")
    return known.by_name[name]


async def _statuses(settings: Settings, known: Receivers) -> dict[str, QueueStatus]:
    from stream_app.store.deliveries import DeliveryQueues

    queues = DeliveryQueues.from_settings(settings)
    try:
        names = dict.fromkeys([*known.by_name, *await queues.receivers()])
        found = {name: await queues.status(name) for name in names}
    finally:
        await queues.close()
    return {name: one for name, one in found.items() if name in known.by_name or one.waiting}


async def _enabled(settings: Settings, name: str) -> QueueStatus:
    from stream_app.steps.delivery_queue import ReceiverState
    from stream_app.store.deliveries import DeliveryQueues

    queues = DeliveryQueues.from_settings(settings)
    try:
        await queues.note(name, ReceiverState())
        return await queues.status(name)
    finally:
        await queues.close()


async def _sent(receiver: Receiver) -> Outcome:
    from stream_app.delivery.receivers import Notification
    from stream_app.delivery.sending import sender_of
    from stream_app.records import Alert

    now_ms = _now_ms()
    alert = Alert(
        alert_id="negative_review|test-product|test-review",
        rule="negative_review",
        severity="info",
        product_id="test-product",
        created_at_ms=now_ms,
        raised_at_ms=now_ms,
        review_id="test-review",
        revision=0,
        rating=1,
        p_negative=0.99,
        sentence="This is a test: no such review was written.",
        reason="sentiment",
    )
    sender = sender_of(receiver)
    try:
        return await sender.send(Notification(f"msg_{uuid.uuid4().hex}", (alert,), is_test=True), now_ms)
    finally:
        await sender.close()


def _line(name: str, receiver: Receiver | None, status: QueueStatus, now_ms: int) -> dict[str, Any]:
    from stream_app import contract

    def at(ms: int | None) -> str | None:
        return None if ms is None else contract.to_rfc3339(ms)

    state = status.state
    if receiver is None:
        word = "not in the file"
    elif state.disabled_at_ms is not None:
        word = "disabled"
    else:
        word = "retrying" if state.failures else "healthy"
    return {
        "name": name,
        "kind": None if receiver is None else receiver.kind,
        "state": word,
        "since": at(state.disabled_at_ms or state.failing_since_ms),
        "next_try": at(state.not_before_ms) if word == "retrying" else None,
        "waiting": status.waiting,
        "oldest_seconds": None if status.oldest_at_ms is None else max(0, now_ms - status.oldest_at_ms) // 1000,
        "suppressed": dict(status.suppressed),
        "last_error": state.last_error or None,
    }


def _show(lines: list[dict[str, Any]]) -> None:
    table = Table("receiver", "kind", "state", "waiting", "oldest", "last error")
    for line in lines:
        since = f" since {line['since']}" if line["since"] else ""
        oldest = "" if line["oldest_seconds"] is None else f"{line['oldest_seconds']} s"
        colour = {"healthy": "green", "retrying": "yellow"}.get(line["state"], "red")
        table.add_row(
            line["name"],
            line["kind"] or "",
            Text(line["state"], colour).append(since, "default"),
            str(line["waiting"]),
            oldest,
            Text(printable(line["last_error"] or "")),
        )
    console = Console()
    console.print(table)
    for line in lines:
        if line["state"] == "disabled":
            console.print(
                f"{line['name']} answered 410 Gone: `stream-app alerts enable {line['name']}` tries it again."
            )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
