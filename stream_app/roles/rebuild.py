"""Makes the view again from the log under a new generation, while the old one serves; then switches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from stream_app.kafka.groups import committed_offsets, members, set_back
from stream_app.kafka.offsets import begin_offsets, end_offsets
from stream_app.kafka.rewrite import lost_beginnings
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import TopicFacts, list_topics, log_identity
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.roles.rebuild_claim import RebuildClaim
from stream_app.roles.restore import Restore
from stream_app.roles.retry import Retry
from stream_app.roles.run import now_ms
from stream_app.settings import Settings
from stream_app.steps.log_identity import LogIdentity, is_another, refusal
from stream_app.store.generations import Generations, Known
from stream_app.store.replay import ReplayStore

_ROLE = "summarize"
_LOOK_EVERY_SECONDS = 0.3
_LAP_SECONDS = 10.0  # a lap that is faster than this, settling apart, has caught up
_HAND_OVER_SECONDS = 60.0
_LEVEL_SECONDS = 10.0  # so long one view may hold fewer reviews than the other because it is a little behind

Value = TypeVar("Value")


class RebuildRefused(ConfigurationError):
    """The new view would be another one, or hold less, than the active one, which is untouched."""


class Workers(Protocol):
    """Processes that fill the generation."""

    @property
    def count(self) -> int: ...
    def start(self, settings: Settings, *, silently: bool) -> None:
        """Begin: `replay` where ``silently``, else `summarize` itself."""
        ...

    def keep_running(self, *, progressed: bool) -> None:
        """Start again what died. Raises Unavailable when they die again and again without progress."""
        ...

    async def stop(self) -> None:
        """Let them finish, commit and leave the group. Does nothing where none runs."""
        ...


class Progress(Protocol):
    """Who watches."""

    def say(self, what: str) -> None: ...
    def advanced(self, step: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rebuild would do now. ``generation``: the one to be built, None: only leftovers are to be deleted.
    ``serves``: Redis holds the active view.
    """

    active: int
    serves: bool
    generation: int | None
    resumed: bool
    events: int
    done: int
    leftovers: tuple[int, ...]


class Rebuild:
    """One run of `stream-app rebuild`. May end at any line, in any way: the next run goes on. Order of things:

    1. claimed: a second rebuild is told so
    2. the log is the one that the active view was made from, and whole (each partition begins at 0); the new
       generation's number and its log are noted in Redis
    3. `replay` fills it in its own consumer group, from the first offset, until it has caught up.
       Killed: offsets committed so far and the script that applies each revision once make the next run go on here
    4. texts that still hold are brought back from products.summaries, recent alerts from reviews.alerts
    5. `replay` ends. Its group is set back to what the old generation's committed, and `summarize` itself takes over:
       an event that the old one may not have finished when it ends gets its side effects here. (Both may publish the
       same alert, as after any redelivery; none is left out.)
    6. products whose text is due are entered; those that `summarize` applies it enters itself
    7. switched, by one script, if the new view holds as many reviews as the active one, and that is still the one read
    8. workers of the old generation notice, finish, commit, end, and come back on the new one. Ours stays in the group
       until one of them is there. Killed here or later: the new group's offsets are committed as ever
    9. alerts that `notify` still noted in the old generation are brought over, and the old keys are deleted, after
       readers had time to notice. Killed here: Redis names the generation to be dropped, and the next run does it
    """

    def __init__(
        self,
        settings: Settings,
        workers: Workers,
        progress: Progress,
        *,
        accept_loss: bool = False,
        keep_old: bool = False,
        restart: bool = False,
    ) -> None:
        """``accept_loss``: go on where the log is another one or lost its beginning, or the new view has fewer reviews.
        ``restart``: give up a generation that an earlier run began, instead of going on with it.

        Raises ConfigurationError where ``settings.generation`` is fixed.
        """
        if settings.generation:
            raise ConfigurationError(
                f"STREAM_APP_GENERATION fixes the view to generation {settings.generation}: nothing would follow "
                "a switch. Unset it here and for every worker and API process."
            )
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._workers = workers
        self._progress = progress
        self._accept_loss = accept_loss
        self._keep_old = keep_old
        self._restart = restart
        self._generations = Generations.from_settings(settings)
        self._redis = Retry("redis", settings.redis_patience_seconds)
        self._brokers = Retry("kafka", settings.publish_patience_seconds)
        self._claim = RebuildClaim(self._generations, self._redis, progress.say)
        self._alerts_read: Mapping[int, int] | None = None

    async def plan(self) -> Plan:
        """What ``run`` would do; changes nothing. Raises ConfigurationError where it would refuse."""
        known = await self._redis(self._generations.known)
        if known.building is None and known.to_drop and not self._restart:
            return Plan(known.active, known.active in known.origins, None, False, 0, 0, known.to_drop)
        await self._refuse_another_log(known)
        await self._refuse_incomplete()
        begins, ends = await self._begins(), await self._ends()
        resumed = known.building is not None and not self._restart
        generation = known.building if resumed and known.building else await self._unused(known)
        committed = await self._committed(self._of(generation)) if resumed else {}
        done, total = _progress_of(committed, begins, ends)
        serves = known.active in known.origins
        return Plan(known.active, serves, generation, resumed, total, done, known.to_drop)

    async def run(self) -> int:
        """The generation that is active in the end.

        Raises RebuildRefused (another log, or fewer reviews than now; the active view is untouched), ConfigurationError
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
            origin = await self._refuse_another_log(known)
            await self._refuse_incomplete()
            new = await self._begin(known, origin)
            await self._build(self._of(new), self._of(known.active))
            await self._switch(known.active, new)
            await self._hand_over(self._of(new), self._of(known.active))
            await self._finish(new)
            return new

    async def close(self) -> None:
        """Stop the workers, if any, and give the connections back."""
        await self._workers.stop()
        await self._generations.close()

    # ---- the steps

    async def _refuse_another_log(self, known: Known) -> LogIdentity:
        """The log that we are connected to. Raises RebuildRefused where it is not the active view's, unless that was
        accepted, or not that of the generation that an earlier run began.
        """
        present = await self._kafka(lambda: log_identity(self._settings))
        if not present.topic_id:
            self._progress.say(
                f"The brokers do not say the id of {present.topic}: a topic that was made again is not recognised."
            )
        begun = known.origins.get(known.building or 0)
        if begun is not None and not self._restart and is_another(begun, present):
            raise RebuildRefused(
                f"Generation {known.building}, begun earlier, was made from {begun}; you are connected to {present}. "
                "Connect to that log, or begin again from this one: `stream-app rebuild --restart`."
            )
        recorded = known.origins.get(known.active)
        if recorded is not None and is_another(recorded, present):
            if not self._accept_loss:  # guarantee: rebuild-keeps-to-its-log
                raise RebuildRefused(refusal(recorded, present))
            self._progress.say(
                f"The active view was made from {recorded}. Accepted: the new one is made from {present}."
            )
        return present

    async def _refuse_incomplete(self) -> None:
        """Raises ConfigurationError where the log has lost its beginning, unless that was accepted."""
        facts = await self._kafka(lambda: list_topics(self._settings))
        # says so where the topic does not exist
        lost = await self._kafka(lambda: lost_beginnings(self._settings, self._topics.enriched))
        wrong = incomplete(next(fact for fact in facts if fact.name == self._topics.enriched), lost)
        if wrong and not self._accept_loss:  # guarantee: cut-log-is-refused
            raise ConfigurationError(
                f"{wrong} A view made from it would lack reviews that the present one has. "
                "--accept-loss makes it all the same."
            )
        if wrong:
            self._progress.say(f"{wrong} Accepted: the new view will lack these reviews.")

    async def _begin(self, known: Known, origin: LogIdentity) -> int:
        begun = known.building
        if begun is not None and not self._restart:
            self._progress.say(f"Going on with generation {begun}, begun earlier.")
            return begun
        if begun is not None:
            await self._redis(lambda: self._generations.abandon(begun))
            self._progress.say(f"Generation {begun}, begun earlier, is given up.")
        number = await self._unused(known)
        building = await self._redis(lambda: self._generations.begin(number, origin))
        meanwhile = f" while generation {known.active} serves."
        if known.active not in known.origins:
            meanwhile = ". Redis holds no view now: product pages are empty until the switch."
        self._progress.say(f"Building generation {building}{meanwhile}")
        return building

    async def _unused(self, known: Known) -> int:
        """A number never used: not in Redis, and not in Kafka either, where Redis has lost everything."""
        number = known.last + 1
        while await self._committed(self._of(number)):
            number += 1
        return number

    async def _build(self, new: Settings, old: Settings) -> None:
        store = ReplayStore.from_settings(new)
        try:
            self._workers.start(new, silently=True)
            await self._catch_up(new)
            restore = Restore(self._settings, store, self._progress.advanced, self._redis, self._brokers)
            self._progress.say(f"{await restore.texts()} product texts brought back.")
            self._alerts_read = await restore.alerts()
            await self._workers.stop()
            await self._set_back(new, old)
            self._workers.start(new, silently=False)
            due = await restore.due(now_ms())
            self._progress.say(f"{due} product{' is' if due == 1 else 's are'} due for a new text.")
            await self._catch_up(new)
        finally:
            await store.close()

    async def _catch_up(self, new: Settings) -> None:
        """Returns when the group has committed all that there was, in a last lap that took little time."""
        begins = await self._begins()
        while True:
            began = time.monotonic()
            ends = await self._ends()
            before = -1
            while True:
                done, total = _progress_of(await self._committed(new), begins, ends)
                self._progress.advanced("reviews folded", done, total)
                self._workers.keep_running(progressed=done > before)
                self._claim.refuse_if_lost()
                before = done
                if done >= total:
                    break
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if time.monotonic() - began < _LAP_SECONDS + self._settings.redis_settle_seconds:
                return

    async def _set_back(self, new: Settings, old: Settings) -> None:
        await self._wait_until_left(new, "the workers that filled it")
        offsets = await self._committed(old)
        await self._kafka(lambda: set_back(new, _ROLE, offsets))

    async def _switch(self, old: int, new: int) -> None:
        await self._refuse_incomplete()  # retention may have cut the log on the way
        await self._refuse_fewer_reviews(old, new)  # guarantee: rebuild-counts-reviews
        switched = await self._redis(lambda: self._generations.switch(old, new, drop_old=not self._keep_old))
        if not switched:
            raise ConfigurationError(
                f"Somebody else changed which view is active since generation {old} was read; nothing was switched. "
                "Run `stream-app rebuild --dry-run` to see what is there."
            )
        self._progress.say(f"Switched: generation {new} is active.")

    async def _refuse_fewer_reviews(self, old: int, new: int) -> None:
        """Raises RebuildRefused where the new view holds fewer reviews than the active one, unless that was accepted.

        Both are written meanwhile, one a little behind the other: only a difference that stays counts.
        """
        deadline = time.monotonic() + _LEVEL_SECONDS
        while True:
            held = await self._count_reviews(old)
            built = await self._count_reviews(new)
            if built >= held:
                return
            if time.monotonic() > deadline:
                break
            self._workers.keep_running(progressed=True)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        lacking = f"The new view (generation {new}) holds {built} reviews, the active one (generation {old}) {held}."
        if not self._accept_loss:
            raise RebuildRefused(
                f"{lacking} Nothing was switched, generation {old} goes on serving. Look whether the log lost reviews; "
                "`stream-app rebuild --accept-loss` switches all the same."
            )
        self._progress.say(f"{lacking} Accepted: {held - built} reviews are lost.")

    async def _count_reviews(self, generation: int) -> int:
        store = ReplayStore.from_settings(self._of(generation))
        try:
            return await self._redis(store.count_reviews)
        finally:
            await store.close()

    async def _hand_over(self, new: Settings, old: Settings) -> None:
        """Stay in the new group until a worker of the system is there; at once where none was in the old one."""
        deadline = time.monotonic() + _HAND_OVER_SECONDS
        expected = await self._kafka(lambda: members(old, _ROLE)) > 0
        while expected and time.monotonic() < deadline:
            if await self._kafka(lambda: members(new, _ROLE)) > self._workers.count:
                break
            self._workers.keep_running(progressed=True)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        else:
            self._progress.say(
                "No `summarize` worker has come to the new view yet. Its events wait in Kafka until one does."
            )
        await self._workers.stop()

    async def _finish(self, active: int) -> None:
        """What comes after the switch, once readers and workers had time to notice it."""
        await asyncio.sleep(self._settings.rebuild_grace_seconds)
        store = ReplayStore.from_settings(self._of(active))
        try:
            restore = Restore(self._settings, store, self._progress.advanced, self._redis, self._brokers)
            await restore.alerts(self._alerts_read)
        finally:
            await store.close()
        known = await self._redis(self._generations.known)
        for number in known.to_drop:
            await self._wait_until_left(self._of(number), f"workers of generation {number}")
            gone = 0
            async for count in self._generations.drop(number):
                gone += count
                self._progress.advanced(f"keys of generation {number} deleted", gone, gone)
            self._progress.say(f"Generation {number} is gone ({gone} keys).")

    # ---- what the steps need

    def _of(self, generation: int) -> Settings:
        return self._settings.model_copy(update={"generation": generation})

    async def _wait_until_left(self, settings: Settings, who: str) -> None:
        deadline = time.monotonic() + _HAND_OVER_SECONDS
        while await self._kafka(lambda: members(settings, _ROLE)):
            if time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"{who[0].upper()}{who[1:]} are still in the group {settings.group(_ROLE)} after "
                    f"{_HAND_OVER_SECONDS:.0f} s. End them, then run `stream-app rebuild` again: it goes on here."
                )
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _begins(self) -> dict[int, int]:
        return await self._kafka(lambda: begin_offsets(self._settings, self._topics.enriched))

    async def _ends(self) -> dict[int, int]:
        return await self._kafka(lambda: end_offsets(self._settings, self._topics.enriched))

    async def _committed(self, settings: Settings) -> dict[int, int]:
        return await self._kafka(lambda: committed_offsets(settings, _ROLE))

    async def _kafka(self, ask: Callable[[], Value]) -> Value:
        return await self._brokers(lambda: asyncio.to_thread(ask))


def incomplete(facts: TopicFacts, begins: Mapping[int, int]) -> str | None:
    """Why the view cannot be made whole from this topic; None where it can. ``begins``: see ``lost_beginnings``."""
    if facts.retention == "compacted":
        return f"{facts.name} is compacted: it holds the last review of each product only."
    cut = {number: at for number, at in sorted(begins.items()) if at > 0}  # guarantee: cut-log-is-recognised
    if not cut:
        return None
    missing = ", ".join(f"partition {number} begins at {at}" for number, at in cut.items())
    return f"{facts.name} no longer begins at 0: {missing}. {sum(cut.values())} events are gone."


def _progress_of(committed: Mapping[int, int], begins: Mapping[int, int], ends: Mapping[int, int]) -> tuple[int, int]:
    """(events done, events in all) between ``begins`` and ``ends``."""
    done = sum(min(max(committed.get(number, 0), begins[number]), end) - begins[number] for number, end in ends.items())
    return done, sum(end - begins[number] for number, end in ends.items())
