"""The workers that fill a generation, watched through its consumer group."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from stream_app.ports import BrokerUnavailable, Progress
from stream_app.rebuild.claim import RebuildClaim
from stream_app.rebuild.event_log import EventLog, progress_of
from stream_app.role_table import MAKES_THE_VIEW
from stream_app.settings import KafkaSettings, RedisSettings, Settings

_POLL_SECONDS = 0.3
_LAP_SECONDS = 10.0  # a lap that takes less than this and the settling time has caught up
_HAND_OVER_SECONDS = 60.0


class Workers(Protocol):
    """The processes that fill the generation."""

    @property
    def count(self) -> int: ...
    def start(self, settings: Settings, *, silently: bool) -> None:
        """Start them: `replay` if ``silently``, else `summarize` itself."""
        ...

    def keep_running(self, *, progressed: bool) -> None:
        """Restart what died. Raises Unavailable if they die repeatedly without progress."""
        ...

    async def stop(self) -> None:
        """Let them finish, commit and leave the group. Does nothing if none runs."""
        ...


class Filling:
    """Waits for what the workers do, and restarts those that die meanwhile."""

    def __init__(
        self, settings: RedisSettings, workers: Workers, log: EventLog, claim: RebuildClaim, progress: Progress
    ) -> None:
        self._settle_seconds = settings.redis_settle_seconds
        self._workers = workers
        self._log = log
        self._claim = claim
        self._progress = progress

    async def catch_up(self, new: KafkaSettings) -> None:
        """Return when the group has committed everything that there was, in a last lap that took little time."""
        begins = await self._log.begins()
        while True:
            began = time.monotonic()
            ends = await self._log.ends()
            before = -1
            while True:
                done, total = progress_of(await self._log.committed(new), begins, ends)
                self._progress.advanced("reviews applied", done, total)
                self._workers.keep_running(progressed=done > before)
                self._claim.refuse_if_lost()
                before = done
                if done >= total:
                    break
                await asyncio.sleep(_POLL_SECONDS)
            if time.monotonic() - began < _LAP_SECONDS + self._settle_seconds:
                return

    async def hand_over(self, new: KafkaSettings, old: KafkaSettings) -> None:
        """Stay in the new group until a worker of the system is there; leave at once if none was in the old one."""
        deadline = time.monotonic() + _HAND_OVER_SECONDS
        expected = await self._log.members(old) > 0
        while expected and time.monotonic() < deadline:
            if await self._log.members(new) > self._workers.count:
                break
            self._workers.keep_running(progressed=True)
            await asyncio.sleep(_POLL_SECONDS)
        else:
            self._progress.say(
                "No `summarize` worker has joined the new view yet. Its events wait in Kafka until one does."
            )
        await self._workers.stop()

    async def wait_until_left(self, settings: KafkaSettings, who: str) -> None:
        """Wait until the group has no members. Raises BrokerUnavailable after a minute. ``who``: for its message."""
        deadline = time.monotonic() + _HAND_OVER_SECONDS
        while await self._log.members(settings):
            if time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"{who[0].upper()}{who[1:]} are still in the group {settings.group(MAKES_THE_VIEW)} after "
                    f"{_HAND_OVER_SECONDS:.0f} s. End them, then run `stream-app rebuild` again: it continues here."
                )
            await asyncio.sleep(_POLL_SECONDS)
