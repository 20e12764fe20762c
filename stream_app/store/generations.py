"""Which generation of the view is active, which one is being built, and which are left over; one hash in Redis.

active     the generation that is read and written; 1 where nothing is named
building   the one that a rebuild fills; absent when none is under way
last       the largest number ever given out: none is used twice, its consumer group may have commits still
drop:<n>   generation n is left over: its keys are to be deleted
origin:<n> the log that generation n is made from, as JSON. It is the mark of a live view, too: written before the first
           review is applied, and gone where Redis lost its data; removed where it lost a part of it. What such a view
           holds is not to be trusted
lost       1: a worker found that the active view, without an origin, had been made before. Readers see Redis alone, to
           which a view that was lost and one that was never begun look the same
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import orjson

from stream_app.settings import RedisSettings
from stream_app.steps.log_identity import LogIdentity
from stream_app.store.keys import ORIGIN, Keys, Namespace
from stream_app.store.scripts import CLAIM_REBUILD, SCRIPTS, SWITCH_GENERATION
from stream_app.store.server import Server

_FIRST = 1
_DROP = "drop:"
_UNLINK_AT_ONCE = 500

View = TypeVar("View", bound=RedisSettings)


@dataclass(frozen=True, slots=True)
class Known:
    """The generations as Redis names them."""

    active: int
    building: int | None
    last: int
    to_drop: tuple[int, ...]
    origins: Mapping[int, LogIdentity] = field(default_factory=dict)
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose the right to rebuild is, and for how long (ms) unless it is renewed."""

    holder: str
    ms: int


class Generations:
    """Every call raises StoreUnavailable when the server is away, and may then simply be made again."""

    def __init__(self, server: Server, namespace: Namespace) -> None:
        self._server = server
        self._namespace = namespace
        self._key = namespace.generations

    @classmethod
    def from_settings(cls, settings: RedisSettings) -> Generations:
        """Connects at the first call. Raises ConfigurationError when the URL is not one."""
        return cls(Server.from_settings(settings, SCRIPTS), Namespace.of(settings))

    async def active(self) -> int:
        """The generation that readers and workers are to use."""
        [number] = await self._server.run([("HGET", self._key, "active")])
        return int(number or _FIRST)

    async def known(self) -> Known:
        """All of it, at one moment."""
        [reply] = await self._server.run([("HGETALL", self._key)])
        fields_by_name = {name.decode(): value for name, value in reply.items()}
        origins = {
            int(name.removeprefix(ORIGIN)): _unpacked(value)
            for name, value in fields_by_name.items()
            if name.startswith(ORIGIN)
        }
        fields = {name: int(value) for name, value in fields_by_name.items() if not name.startswith(ORIGIN)}
        active = fields.get("active", _FIRST)
        to_drop = sorted(int(name.removeprefix(_DROP)) for name in fields if name.startswith(_DROP))
        return Known(
            active,
            fields.get("building"),
            max(fields.get("last", 0), active),
            tuple(to_drop),
            origins,
            "lost" in fields,
        )

    async def record_origin(self, number: int, origin: LogIdentity) -> LogIdentity:
        """Begin this generation: it is made from that log. The origin that stands where another process was faster."""
        _, standing = await self._server.run(
            [
                ("HSETNX", self._key, f"{ORIGIN}{number}", _packed(origin)),
                ("HGET", self._key, f"{ORIGIN}{number}"),
            ]
        )
        return _unpacked(standing)

    async def note_lost(self) -> None:
        """The active view had been made before, and is gone: until it has an origin again, readers report it."""
        await self._server.run([("HSET", self._key, "lost", 1)])

    async def begin(self, number: int, origin: LogIdentity) -> int:
        """Note that this generation is being built from that log; the one that stands where another rebuild was faster.

        The origin comes first: no generation is being built without one.
        """
        _, _, _, building = await self._server.run(
            [
                ("HSETNX", self._key, f"{ORIGIN}{number}", _packed(origin)),
                ("HSETNX", self._key, "building", number),
                ("HSET", self._key, "last", number),
                ("HGET", self._key, "building"),
            ]
        )
        return int(building)

    async def abandon(self, number: int) -> None:
        """It will not be finished: its keys are to be dropped."""
        await self._server.run(
            [("HSET", self._key, f"{_DROP}{number}", 1), ("HDEL", self._key, "building")],
        )

    async def switch(self, old: int, new: int) -> bool:
        """Make ``new`` the active one, and note that ``old`` is to be dropped; False where ``old`` no longer is active,
        or ``new`` is not the one being built.
        """
        call = SWITCH_GENERATION.call((self._key,), (old, new))
        [switched] = await self._server.run([call])
        return bool(switched)

    async def drop(self, number: int) -> AsyncIterator[int]:
        """Delete every key of a left-over generation, and then the note of it; yields how many went each time.

        It walks until a walk finds nothing: a process that had not noticed the switch may have written on the way.
        Raises ValueError for the active generation and for the one being built.
        """
        known = await self.known()
        if number in (known.active, known.building):  # guarantee: view-in-use-is-never-dropped
            raise ValueError(f"generation {number} is in use")
        gone = 1
        while gone:
            gone = 0
            async for keys in self._server.keys(Keys(self._namespace, number).all):
                for start in range(0, len(keys), _UNLINK_AT_ONCE):
                    page = keys[start : start + _UNLINK_AT_ONCE]
                    await self._server.run([("UNLINK", key) for key in page])  # guarantee: old-keys-go
                    gone += len(page)  # guarantee: old-keys-go
                    yield len(page)
        await self._server.run([("HDEL", self._key, f"{_DROP}{number}", f"{ORIGIN}{number}")])

    async def claim(self, who: str, ms: int) -> Claim:
        """Claim the right to rebuild, or renew the claim; returns whose it is now."""
        [(holder, left_ms)] = await self._server.run([CLAIM_REBUILD.call((self._namespace.rebuild_claim,), (who, ms))])
        return Claim(holder.decode(), left_ms)

    async def release(self, who: str) -> None:
        """Give the claim back, if it is still ours."""
        await self.claim(who, 0)

    async def close(self) -> None:
        await self._server.close()


def _packed(origin: LogIdentity) -> bytes:
    return orjson.dumps(origin)


def _unpacked(packed: bytes) -> LogIdentity:
    return LogIdentity(**orjson.loads(packed))


async def known(settings: RedisSettings) -> Known:
    """Read the generations, on a connection for this alone. Raises StoreUnavailable."""
    generations = Generations.from_settings(settings)
    try:
        return await generations.known()
    finally:
        await generations.close()


async def fixed(settings: View) -> View:
    """The same settings with the number of a generation: theirs, or else the active one. Raises StoreUnavailable."""
    if settings.generation:
        return settings
    return settings.model_copy(update={"generation": (await known(settings)).active})
