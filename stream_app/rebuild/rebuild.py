"""Makes the view again from the log under a new generation, while the old one serves; then switches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from stream_app.ports import ConfigurationError, Progress, ViewLost
from stream_app.rebuild.claim import RebuildClaim
from stream_app.rebuild.event_log import EventLog, earliest, progress_of
from stream_app.rebuild.filling import Filling, Workers
from stream_app.rebuild.plan import Plan
from stream_app.rebuild.refusals import Refusals
from stream_app.rebuild.restore import Restore
from stream_app.retry import Retry
from stream_app.roles.older_view import refuse_older_view
from stream_app.roles.run import now_ms
from stream_app.settings import KafkaSettings, Settings
from stream_app.steps.log_identity import LogIdentity
from stream_app.steps.raised_alerts import RaisedEpisodes
from stream_app.store.generations import Generations, Known
from stream_app.store.replay import ReplayStore

_POLL_SECONDS = 0.3
_LEVEL_SECONDS = 10.0  # how long one view may hold fewer reviews than the other because it lags behind


class Rebuild:
    """One run of `stream-app rebuild`. It may end at any line, in any way: the next run continues. Steps:

    1. claimed: a second rebuild is refused
    2. the log is the one that the active view was made from, and complete (each partition begins at 0); the new
       generation's number and its log are noted in Redis
    3. `replay` fills it in its own consumer group, from the first offset, until it has caught up.
       Killed: offsets committed so far and the script that applies each revision once make the next run continue here
    4. texts that still hold are restored from products.summaries, recent alerts from reviews.alerts; episodes of
       products are noted without an alert, as raised if their alert is there
    5. `replay` ends. Its group is set back to what the old generation's committed, and `summarize` itself takes over:
       an event that the old one may not have finished when it ends gets its side effects here. Alerts about products
       are the old one's alone until the switch
    6. products whose text is due are entered; those that `summarize` applies it enters itself
    7. switched, by one script, if the new view holds as many reviews as the active one, and that is still the one read
    8. workers of the old generation notice, finish, commit, end, and come back on the new one. Ours stays in the group
       until one of them is there. Killed here or later: the new group's offsets are committed as usual
    9. after readers and workers had time to notice: alerts that `notify` still noted in the old generation are copied,
       acknowledgements of alerts that are gone are forgotten, alerts about products that the old one left unfinished
       are raised, and the old keys are deleted. Killed here: Redis names the generation to be dropped, and the next run
       does it
    """

    def __init__(
        self,
        settings: Settings,
        workers: Workers,
        progress: Progress,
        *,
        accept_loss: bool = False,
        restart: bool = False,
    ) -> None:
        """``accept_loss``: continue if the log is another one or lost its beginning, or the new view has fewer reviews.
        ``restart``: discard a generation that an earlier run began, instead of continuing with it.

        Raises ConfigurationError if ``settings.generation`` is fixed.
        """
        if settings.generation:
            raise ConfigurationError(
                f"STREAM_APP_GENERATION fixes the view to generation {settings.generation}: nothing would follow "
                "a switch. Unset it here and for every worker and API process."
            )
        self._settings = settings
        self._workers = workers
        self._progress = progress
        self._restart = restart
        self._generations = Generations.from_settings(settings)
        self._redis = Retry("redis", settings.redis_patience_seconds)
        self._brokers = Retry("kafka", settings.publish_patience_seconds)
        self._log = EventLog(settings, self._brokers)
        self._refusals = Refusals(self._log, progress.say, accept_loss=accept_loss, restart=restart)
        self._claim = RebuildClaim(self._generations, self._redis, progress.say)
        self._filling = Filling(settings, workers, self._log, self._claim, progress)
        self._alerts_read: Mapping[int, int] | None = None
        self._raised_episodes = RaisedEpisodes()

    async def plan(self) -> Plan:
        """Return what ``run`` would do; changes nothing. Raises ConfigurationError where it would refuse."""
        known = await self._redis(self._generations.known)
        if known.building is None and known.to_drop and not self._restart:
            return Plan(known.active, known.active in known.origins, None, False, 0, 0, known.to_drop)
        await self._refusals.another_log(known)
        await self._refusals.incomplete_log()
        begins, ends = await self._log.begins(), await self._log.ends()
        resumed = known.building is not None and not self._restart
        generation = known.building if resumed and known.building else await self._unused(known)
        committed = await self._log.committed(self._of(generation)) if resumed else {}
        done, total = progress_of(committed, begins, ends)
        serves = known.active in known.origins
        return Plan(known.active, serves, generation, resumed, total, done, known.to_drop)

    async def run(self) -> int:
        """Rebuild, and return the generation that is active in the end.

        Raises RebuildRefused (another log, or fewer reviews than now; the active view is unchanged), ConfigurationError
        (the log is cut, another rebuild runs or switched), Unavailable (patience spent).
        """
        async with self._claim.held():
            known = await self._redis(self._generations.known)
            if known.building is None and known.to_drop and not self._restart:
                self._progress.say(
                    f"An earlier run switched to generation {known.active} already and left keys: finishing that."
                )
                await self._finish(known.active)
                return known.active
            origin = await self._refusals.another_log(known)
            await self._refusals.incomplete_log()
            new = await self._begin(known, origin)
            await self._build(self._of(new), self._of(known.active))
            await self._switch(known.active, new)
            await self._filling.hand_over(self._of(new), self._of(known.active))
            await self._finish(new, known.active)
            return new

    async def close(self) -> None:
        """Stop the workers, if any, and close the connections."""
        await self._workers.stop()
        await self._generations.close()

    # ---- the steps

    async def _begin(self, known: Known, origin: LogIdentity) -> int:
        begun = known.building
        if begun is not None and not self._restart and await self._is_whole(begun, known):
            self._progress.say(f"Continuing with generation {begun}, begun earlier.")
            return begun
        if begun is not None:
            await self._redis(lambda: self._generations.abandon(begun))
            self._progress.say(f"Generation {begun}, begun earlier, is discarded.")
        number = await self._unused(known)
        building = await self._redis(lambda: self._generations.begin(number, origin))
        meanwhile = f" while generation {known.active} serves."
        if known.active not in known.origins:
            meanwhile = ". The view in Redis is lost: product pages are empty or out of date until the switch."
        self._progress.say(f"Building generation {building}{meanwhile}")
        return building

    async def _is_whole(self, begun: int, known: Known) -> bool:
        """Does Redis hold all that was applied to a generation that an earlier run began?"""
        if begun not in known.origins:
            return False
        try:
            await refuse_older_view(self._of(begun), self._redis, self._brokers)
        except ViewLost:
            return False
        return True

    async def _unused(self, known: Known) -> int:
        """Return a number never used: neither in Redis nor, in case Redis has lost everything, in Kafka."""
        number = known.last + 1
        while await self._log.committed(self._of(number)):
            number += 1
        return number

    async def _build(self, new: Settings, old: Settings) -> None:
        async with self._restoring(new) as restore:
            self._workers.start(new, silently=True)
            await self._filling.catch_up(new)
            self._progress.say(f"{await restore.texts()} product texts restored.")
            self._alerts_read = await restore.alerts()
            await self._workers.stop()
            if self._settings.product_alerts:
                turned = await restore.episodes(now_ms())
                have = "product has" if turned == 1 else "products have"
                self._progress.say(f"{turned} {have} turned bad; none alarms again.")
            await self._set_back(new, old)
            self._workers.start(new, silently=False)
            due = await restore.due(now_ms())
            self._progress.say(f"{due} product{' is' if due == 1 else 's are'} due for a new text.")
            await self._filling.catch_up(new)

    async def _set_back(self, new: KafkaSettings, old: KafkaSettings) -> None:
        await self._filling.wait_until_left(new, "the workers that filled it")
        offsets = await self._log.committed(old)
        await self._log.set_back(new, offsets)

    async def _switch(self, old: int, new: int) -> None:
        await self._refusals.incomplete_log()  # retention may have cut the log meanwhile
        await self._compare_reviews(old, new)  # guarantee: rebuild-counts-reviews
        async with self._restoring(self._of(new)) as restore:
            await self._read_alerts(restore)
        switched = await self._redis(lambda: self._generations.switch(old, new))
        if not switched:
            raise ConfigurationError(
                f"The active view was changed since generation {old} was read; nothing was switched. "
                "`stream-app rebuild --dry-run` shows the present state."
            )
        self._progress.say(f"Switched: generation {new} is active.")

    async def _compare_reviews(self, old: int, new: int) -> None:
        """Count the reviews of both views, and refuse fewer in the new one.

        Both are written meanwhile, one a little behind the other: only a difference that stays counts.
        """
        deadline = time.monotonic() + _LEVEL_SECONDS
        while True:
            held = await self._count_reviews(old)
            built = await self._count_reviews(new)
            if built >= held or time.monotonic() > deadline:
                break
            self._workers.keep_running(progressed=True)
            await asyncio.sleep(_POLL_SECONDS)
        self._refusals.fewer_reviews(old, new, held, built)

    async def _count_reviews(self, generation: int) -> int:
        store = ReplayStore.from_settings(self._of(generation))
        try:
            return await self._redis(store.count_reviews)
        finally:
            await store.close()

    async def _finish(self, active: int, active_before: int | None = None) -> None:
        """Complete the alerts and delete old keys, once readers and workers had time to notice the switch."""
        await asyncio.sleep(self._settings.rebuild_grace_seconds)
        known = await self._redis(self._generations.known)
        left = {active_before} if active_before else set(known.to_drop)
        for number in known.to_drop:
            await self._filling.wait_until_left(self._of(number), f"workers of generation {number}")
        async with self._restoring(self._of(active)) as restore:
            committed = [await self._log.committed(self._of(number)) for number in sorted(left)]
            await self._read_alerts(restore)
            await restore.acknowledgements()
            if self._settings.product_alerts:
                # guarantee: alerts-that-the-old-view-left-are-raised
                await restore.unfinished(earliest(committed))
        for number in known.to_drop:
            gone = 0
            async for count in self._generations.drop(number):
                gone += count
                self._progress.advanced(f"keys of generation {number} deleted", gone, gone)
            self._progress.say(f"Generation {number} is deleted ({gone} keys).")

    async def _read_alerts(self, restore: Restore) -> None:
        """Those that came since they were read last, and what they say of episodes."""
        self._alerts_read = await restore.alerts(self._alerts_read)
        if self._settings.product_alerts:
            await restore.raised_meanwhile(now_ms())

    @asynccontextmanager
    async def _restoring(self, view: Settings) -> AsyncIterator[Restore]:
        store = ReplayStore.from_settings(view)
        try:
            yield Restore(
                self._settings, store, self._raised_episodes, self._progress.advanced, self._redis, self._brokers
            )
        finally:
            await store.close()

    def _of(self, generation: int) -> Settings:
        return self._settings.model_copy(update={"generation": generation})
