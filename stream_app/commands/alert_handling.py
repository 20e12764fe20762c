"""`stream-app alerts acknowledge` and `mute`: what people do about a recent alert, as on the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stream_app.commands.options import Redis, TopicPrefix, settings_from
from stream_app.commands.terminal import printable
from stream_app.ports import ConfigurationError

if TYPE_CHECKING:
    from stream_app.ports import AlertDesk
    from stream_app.settings import Settings

AlertId = Annotated[
    str, typer.Argument(metavar="ID", help="An alert's alert_id; GET /v1/alerts lists the recent ones.")
]
By = Annotated[str, typer.Option(help="Who you are. Everybody who sees the page reads it.")]
Note = Annotated[str | None, typer.Option(help="Why, or what is done.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back.")]

Given = TypeVar("Given")
Result = TypeVar("Result")

_HOUR_MS = 3_600_000


def acknowledge(
    alert_id: AlertId,
    by: By,
    note: Note = None,
    undo: Undo = False,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Take care of alert ID: receivers for whom it still waits do not get it, unless it is critical.

    The first acknowledgement stands. Exit code 1 when the alert is not among the recent ones.
    """
    name, text = _name_and_note(by, note)

    async def act(desk: AlertDesk) -> bool:
        if undo:
            return await desk.unacknowledge(alert_id)
        return await desk.acknowledge(alert_id, name, text, _now_ms())

    _do(settings_from(redis=redis, topic_prefix=topic_prefix), act)
    print(f"{printable(alert_id)}: nobody takes care of it" if undo else f"{printable(alert_id)}: acknowledged")


def mute(
    alert_id: AlertId,
    by: By,
    until: Annotated[
        str | None, typer.Option(help="When it ends: 2026-05-01T12:00:00Z. At most 30 days ahead.")
    ] = None,
    hours: Annotated[float | None, typer.Option(help="Instead of --until: for how long.", min=0.01)] = None,
    note: Note = None,
    undo: Undo = False,
    redis: Redis = None,
    topic_prefix: TopicPrefix = None,
) -> None:
    """Deliver no alerts of ID's rule about its product for a while; they are counted in the next message.

    Critical ones are delivered. Exit code 1 when the alert is not among the recent ones.
    """
    from stream_app import contract
    from stream_app.records import Mute

    name, text = _name_and_note(by, note)
    now_ms = _now_ms()
    until_ms = 0 if undo else _until(until, hours, now_ms)

    async def act(desk: AlertDesk) -> bool:
        if undo:
            return await desk.unmute(alert_id)
        return await desk.mute(alert_id, Mute(name, now_ms, until_ms, text), now_ms)

    _do(settings_from(redis=redis, topic_prefix=topic_prefix), act)
    state = "its mute ended" if undo else f"muted until {contract.to_rfc3339(until_ms)}"
    print(f"{printable(alert_id)}: {state}")


def _name_and_note(by: str, note: str | None) -> tuple[str, str | None]:
    """As they are kept. Raises ConfigurationError."""
    from stream_app.steps.handling import valid_name, valid_note

    return _valid("--by", valid_name, by), _valid("--note", valid_note, note)


def _until(until: str | None, hours: float | None, now_ms: int) -> int:
    from stream_app import contract
    from stream_app.steps.handling import valid_until

    if (until is None) == (hours is None):
        raise ConfigurationError("Say how long: --until TIME or --hours NUMBER.")
    if hours is not None:
        return _valid("--hours", lambda ms: valid_until(ms, now_ms), now_ms + round(hours * _HOUR_MS))
    return _valid("--until", lambda text: valid_until(contract.from_rfc3339(text), now_ms), until or "")


def _valid(option: str, check: Callable[[Given], Result], given: Given) -> Result:
    try:
        return check(given)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}.") from None


def _do(settings: Settings, act: Callable[[AlertDesk], Awaitable[bool]]) -> None:
    """Exits with code 1 where the alert is not among the recent ones."""
    if not asyncio.run(_done(settings, act)):
        typer.echo("No recent alert has this id: GET /v1/alerts lists them.", err=True)
        raise typer.Exit(1)


async def _done(settings: Settings, act: Callable[[AlertDesk], Awaitable[bool]]) -> bool:
    from stream_app.store.current import CurrentView

    view = CurrentView.from_settings(settings)
    try:
        return await act(view)
    finally:
        await view.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
