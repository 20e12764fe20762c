"""Keeps a worker on the active view: it ends when another generation becomes active, to be restarted on that one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

from stream_app import telemetry
from stream_app.exit_now import Stop
from stream_app.ports import Unavailable
from stream_app.retry import Retry
from stream_app.roles.exit_codes import EXIT_VIEW_SWITCHED
from stream_app.settings import Settings
from stream_app.store.generations import Generations, fixed

_ASK_EVERY_SECONDS = 1.0


Resolve = Callable[[Settings], Awaitable[Settings]]
"""Finds the settings with the number of a generation."""


async def active_view(settings: Settings) -> Settings:
    """Return the settings with the active generation, once Redis has reported it."""
    return await Retry("redis", settings.redis_patience_seconds)(lambda: fixed(settings))


def follow_view(settings: Settings, run: Callable[[Settings], None], resolve: Resolve = active_view) -> None:
    """Call ``run`` with the settings that ``resolve`` finds, those of the active generation; returns when it does.

    When another generation becomes active, the process gets SIGTERM from within: what is in flight is finished and
    committed as usual, and it ends with EXIT_VIEW_SWITCHED. Started again, it finds the new generation, whose consumer
    group continues where the rebuild left off, so nothing is lost between the two.

    Raises StoreUnavailable if Redis does not report the active one within ``redis_patience_seconds``.
    """
    current = resolved(settings, resolve)

    def watch() -> None:
        asyncio.run(_until_switched(settings, current.generation))
        Stop.exit_code = EXIT_VIEW_SWITCHED  # guarantee: switch-is-no-end-however-the-role-stops
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="follow-view", daemon=True).start()
    run(current)
    if Stop.exit_code:
        sys.exit(Stop.exit_code)


def resolved(settings: Settings, resolve: Resolve) -> Settings:
    """Return what ``resolve`` finds. A signal ends the process at once with code 0: nothing was consumed yet."""

    async def find() -> Settings:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, os._exit, 0)
        return await resolve(settings)

    return asyncio.run(find())


async def _until_switched(settings: Settings, generation: int) -> None:
    """Return when another generation is active. While Redis is away, the role itself reports that."""
    generations = Generations.from_settings(settings)
    try:
        while True:
            await asyncio.sleep(_ASK_EVERY_SECONDS)
            try:
                active = await generations.active()
            except Unavailable:
                continue
            if active != generation:
                telemetry.view_was_switched(generation, active)
                return
    finally:
        await generations.close()
