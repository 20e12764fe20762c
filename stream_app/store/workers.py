"""What the workers of an installation leave about themselves: which processes were seen when, each role's last error.

It is no part of the view: no generation holds it, and a rebuild leaves it alone. Both keys are bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from stream_app.settings import RedisSettings
from stream_app.steps.last_error import LastError
from stream_app.store.keys import Namespace
from stream_app.store.server import Server

FORGOTTEN_AFTER_MS = 24 * 3_600_000
MAX_SEEN = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """A process that reads no topic, such as "describe@host:4711", and when it was at work last (ms since 1970)."""

    worker: str
    at_ms: int


class WorkerNotes:
    """Every call raises StoreUnavailable when the server is away, and may then simply be made again."""

    def __init__(self, server: Server, namespace: Namespace) -> None:
        self._server = server
        self._seen, self._errors = namespace.workers, namespace.worker_errors

    @classmethod
    def from_settings(cls, settings: RedisSettings) -> WorkerNotes:
        """Connects at the first call. Raises ConfigurationError when the URL is not one."""
        return cls(Server.from_settings(settings, ()), Namespace.of(settings))

    async def seen(self, worker: str, now_ms: int) -> None:
        """This process is at work. Those not seen for a day are forgotten, and all but the newest 100."""
        await self._server.run(
            [
                ("ZADD", self._seen, now_ms, worker),
                ("ZREMRANGEBYSCORE", self._seen, "-inf", now_ms - FORGOTTEN_AFTER_MS),
                ("ZREMRANGEBYRANK", self._seen, 0, -MAX_SEEN - 1),
            ]
        )

    async def left(self, worker: str) -> None:
        """This process ended in order."""
        await self._server.run([("ZREM", self._seen, worker)])

    async def failed(self, error: LastError) -> None:
        """Keep the error as its role's last one, unless a newer one stands."""
        [standing] = await self._server.run([("HGET", self._errors, error.role)])
        before = None if standing is None else unpacked(standing)
        if before is None or before.at_ms < error.at_ms:
            await self._server.run([("HSET", self._errors, error.role, packed(error))])

    async def read(self) -> tuple[list[Seen], list[LastError]]:
        """The processes, newest first, and the last error of each role."""
        seen, errors = await self._server.run(
            [("ZREVRANGE", self._seen, 0, MAX_SEEN - 1, "WITHSCORES"), ("HGETALL", self._errors)]
        )
        return _seen_of(seen), [one for one in map(unpacked, errors.values()) if one is not None]

    async def close(self) -> None:
        await self._server.close()


def packed(error: LastError) -> bytes:
    return orjson.dumps(error)


def unpacked(value: bytes) -> LastError | None:
    """None for what is none, such as a file that was cut short."""
    try:
        return LastError(**orjson.loads(value))
    except (ValueError, TypeError):
        return None


def _seen_of(reply: Sequence[bytes]) -> list[Seen]:
    return [Seen(worker.decode(), int(float(at))) for worker, at in zip(reply[::2], reply[1::2], strict=True)]


async def workers_of(settings: RedisSettings) -> tuple[list[Seen], list[LastError]]:
    """``WorkerNotes.read`` on a connection for this question alone."""
    notes = WorkerNotes.from_settings(settings)
    try:
        return await notes.read()
    finally:
        await notes.close()
