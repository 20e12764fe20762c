"""Reads the active view: follows a rebuild's switch, and notices a lost view, at no extra round trip."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from stream_app.ports import StoreUnavailable
from stream_app.records import Alert, Counts, Evidence, Handling, Mute, ProductSummary
from stream_app.settings import RedisSettings
from stream_app.store.due import Intervals
from stream_app.store.generations import Generations
from stream_app.store.keys import Keys, Namespace
from stream_app.store.scripts import SCRIPTS
from stream_app.store.server import Server
from stream_app.store.summaries import RedisSummaryStore

_ASK_EVERY_SECONDS = 1.0
_TRUSTED_SECONDS = 3.0  # with the next below the least rebuild_grace_seconds: older, the keys may be gone
_ANSWER_SECONDS = 1.0


class CurrentView:
    """ports.AlertDesk. Asks about once a second, concurrently with look-ups, which generation is active and
    whether it was lost.

    A look-up waits for that answer only when the last one is too old to be trusted (the first look-up, or after a time
    without). Where Redis does not answer, the last known generation is read: look-ups go on as long as possible.
    """

    def __init__(
        self, server: Server, namespace: Namespace, generation: int, flag_url: str = "", reuse_seconds: float = 0.0
    ) -> None:
        """``generation``: the one to read; 0: always the active one. ``flag_url``: the setting of that name.
        ``reuse_seconds``: how old a summary may be that is returned without asking Redis.
        """
        self._server = server
        self._namespace = namespace
        self._flag_url = flag_url
        self._reuse_seconds = reuse_seconds
        self._generations = Generations(server, namespace)
        self._follows = generation == 0
        self._store = None if self._follows else self._store_of(generation)
        self._generation = generation
        self._is_lost = self._was_there = False
        self._answered_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    @classmethod
    def from_settings(cls, settings: RedisSettings, reuse_seconds: float = 0.0) -> CurrentView:
        """Connects at the first call. Raises ConfigurationError when the URL is not one."""
        server = Server.from_settings(settings, SCRIPTS)
        return cls(server, Namespace.of(settings), settings.generation, settings.flag_url, reuse_seconds)

    @property
    def generation(self) -> int:
        """The one that is read; 0 before the first look-up."""
        return self._generation

    @property
    def was_there(self) -> bool:
        """Redis held an origin of the view when it was asked, once at least."""
        return self._was_there

    @property
    def is_lost(self) -> bool:
        """Redis held no origin of the view when it was asked last, and did before, or a worker reported it lost.
        A view that never existed is not.
        """
        return self._is_lost

    async def check(self) -> None:
        """See ports.SummaryStore."""
        await self._server.check()

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        return await (await self._current()).read(product_ids, now_ms)

    async def product_ids(self, limit: int) -> list[str]:
        return await (await self._current()).product_ids(limit)

    async def changed_since(self, place: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        return await (await self._current()).changed_since(place, limit)

    async def recent_alerts(self, limit: int) -> list[Alert]:
        return await (await self._current()).recent_alerts(limit)

    async def days(self, product_id: str) -> dict[int, Counts] | None:
        return await (await self._current()).days(product_id)

    async def evidence(self, product_id: str) -> tuple[int, list[Evidence]]:
        return await (await self._current()).evidence(product_id)

    async def recent_alert(self, alert_id: str) -> Alert | None:
        return await (await self._current()).recent_alert(alert_id)

    async def handling(self, alerts: Sequence[Alert], now_ms: int) -> list[Handling]:
        return await (await self._current()).handling(alerts, now_ms)

    async def acknowledge(self, alert_id: str, by: str, note: str | None, now_ms: int) -> bool:
        return await (await self._current()).acknowledge(alert_id, by, note, now_ms)

    async def unacknowledge(self, alert_id: str) -> bool:
        return await (await self._current()).unacknowledge(alert_id)

    async def mute(self, alert_id: str, mute: Mute, now_ms: int) -> bool:
        return await (await self._current()).mute(alert_id, mute, now_ms)

    async def unmute(self, alert_id: str) -> bool:
        return await (await self._current()).unmute(alert_id)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError, StoreUnavailable, TimeoutError):
                await self._asking
        if self._store is None:
            await self._server.close()
        else:
            await self._store.close()

    async def _current(self) -> RedisSummaryStore:
        age = time.monotonic() - self._answered_at
        if self._store is None or age > _ASK_EVERY_SECONDS:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask(), name="which generation")
                self._asking.add_done_callback(_noted)
            if self._store is None:
                await asyncio.shield(self._asking)
            elif age > _TRUSTED_SECONDS:
                with suppress(StoreUnavailable, TimeoutError):
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        await asyncio.shield(self._asking)
        assert self._store is not None
        return self._store

    async def _ask(self) -> None:
        asked_at = time.monotonic()
        known = await self._generations.known()
        active = known.active if self._follows else self._generation
        is_there = active in known.origins
        self._is_lost = not is_there and (known.lost or self._was_there)  # guarantee: readers-see-a-lost-view
        self._was_there = self._was_there or is_there
        if active != self._generation:  # guarantee: readers-switch
            self._store = self._store_of(active)
            self._generation = active
        self._answered_at = asked_at

    def _store_of(self, generation: int) -> RedisSummaryStore:
        keys = Keys(self._namespace, generation)
        never_due = Intervals(0, 0, 0)  # readers make no texts
        return RedisSummaryStore(self._server, keys, never_due, self._flag_url, self._reuse_seconds)


def _noted(asking: asyncio.Task[None]) -> None:
    """A failed question is asked again by the next look-up; its error belongs to the look-up that waited, if any."""
    if not asking.cancelled():
        asking.exception()
