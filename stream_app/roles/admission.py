"""Starts a role of the view only if the view was made from the log that it is connected to, and is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from stream_app import telemetry
from stream_app.kafka.groups import generations_consumed, has_consumed
from stream_app.kafka.topics_admin import log_identity
from stream_app.ports import ConfigurationError, Unavailable, ViewLost
from stream_app.retry import Retry
from stream_app.role_table import MAKES_THE_VIEW
from stream_app.roles.older_view import refuse_older_view
from stream_app.settings import KafkaSettings, Settings
from stream_app.steps.log_identity import LogIdentity, is_another, refusal
from stream_app.store.generations import Generations, Known

_LOOK_EVERY_SECONDS = 0.5

Value = TypeVar("Value")


async def admitted(settings: Settings, role: str) -> Settings:
    """Return the settings with the generation to work on: their own, or else the active one. Steps:

    1. which generation it is, and which log it was made from
    2. no log is noted: `summarize` notes the present one where its group consumed nothing yet, as in a new
       installation; the others wait until it is noted, and write nothing meanwhile
    3. the present log is compared with the one noted, and by `summarize` what it acknowledged with what the view holds

    Raises ViewLost (nothing is noted, or less than `summarize` had consumed), ConfigurationError (another log, no such
    topic) and Unavailable (patience spent).
    """
    redis = Retry("redis", settings.redis_patience_seconds)
    brokers = Retry("kafka", settings.publish_patience_seconds)

    async def kafka(ask: Callable[[Settings], Value], current: Settings) -> Value:
        return await brokers(lambda: asyncio.to_thread(ask, current))

    generations = Generations.from_settings(settings)
    try:
        waits = False
        while True:
            known = await redis(generations.known)
            number = settings.generation or known.active
            current = settings.model_copy(update={"generation": number})
            recorded = known.origins.get(number)
            if recorded is None and role == MAKES_THE_VIEW:
                if await kafka(partial(is_lost, known=known), current):  # guarantee: lost-view-is-not-begun-again
                    telemetry.view_was_lost()
                    await redis(generations.note_lost)
                    raise ViewLost
                present = await kafka(log_identity, current)
                recorded = await redis(partial(generations.record_origin, number, present))
            if recorded is not None:
                refuse_another_log(recorded, await kafka(log_identity, current))
                if role == MAKES_THE_VIEW:
                    await refuse_older_view(current, redis, brokers)
                return current
            if not waits:
                waits = True
                telemetry.view_is_awaited()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
    finally:
        await generations.close()


def refuse_another_log(recorded: LogIdentity, present: LogIdentity) -> None:
    """Raise ConfigurationError if the view was made from another log than the present one."""
    if is_another(recorded, present):  # guarantee: another-log-is-refused
        raise ConfigurationError(refusal(recorded, present))
    if not present.topic_id:
        telemetry.topic_id_is_unknown(str(present))


def origin_of(settings: Settings, known: Known) -> LogIdentity | None:
    """Return the log that the view of ``settings.generation`` was made from; None where it was not begun yet.

    Raises ViewLost, ConfigurationError where that is another log than the present one, and BrokerUnavailable.
    """
    recorded = known.origins.get(settings.generation)
    if recorded is not None:
        refuse_another_log(recorded, log_identity(settings))
    elif is_lost(settings, known):
        raise ViewLost
    return recorded


def is_lost(settings: KafkaSettings, known: Known) -> bool:
    """Was a view of ``settings.generation``, of which Redis knows no origin, made before? Asks the consumer groups.

    Where Redis knows of no view at all, which generation was active is lost too: any generation's group counts then.
    Raises BrokerUnavailable.
    """
    if settings.generation in known.origins:
        return False
    if has_consumed(settings, MAKES_THE_VIEW):
        return True
    number_is_lost = not known.origins and settings.generation == known.active
    return number_is_lost and bool(_consumed(settings))


def _consumed(settings: KafkaSettings) -> list[int]:
    try:
        return generations_consumed(settings)
    except Unavailable:  # listing groups needs a right of its own
        return []
