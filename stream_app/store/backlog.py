"""How many products of the view wait for `describe`, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from stream_app.settings import RedisSettings
from stream_app.store.keys import DUE_SHARDS, Keys
from stream_app.store.scripts import SCRIPTS
from stream_app.store.server import Server


@dataclass(frozen=True, slots=True)
class Backlog:
    """``due``: products whose time has come; ``oldest_seconds``: since when the first of them waits; ``leased``:
    products that a process works on.
    """

    due: int
    oldest_seconds: float
    leased: int


async def backlog(settings: RedisSettings, now_ms: int) -> Backlog:
    """Raises StoreUnavailable. ``settings`` name a generation of the view."""
    server = Server.from_settings(settings, SCRIPTS)
    keys = Keys.of(settings)
    try:
        found = await server.run(
            [
                command
                for shard in range(DUE_SHARDS)
                for command in (
                    ("ZCOUNT", keys.due(shard), "-inf", now_ms),
                    ("ZRANGE", keys.due(shard), 0, 0, "WITHSCORES"),
                    ("ZCOUNT", keys.leased(shard), now_ms, "+inf"),
                )
            ]
        )
    finally:
        await server.close()
    firsts = [float(head[1]) for head in found[1::3] if head]
    return Backlog(sum(found[::3]), max(0.0, (now_ms - min(firsts, default=now_ms)) / 1000), sum(found[2::3]))
