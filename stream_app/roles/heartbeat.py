"""Records in Redis that a process without a consumer group is alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from stream_app.ports import ConfigurationError, Unavailable
from stream_app.store.workers import WorkerNotes

BEAT_SECONDS = 3.0
_LEAVE_SECONDS = 1.0


@asynccontextmanager
async def heartbeat(notes: WorkerNotes, worker: str, now_ms: Callable[[], int]) -> AsyncIterator[None]:
    """Write a heartbeat every 3 s on the loop of the block, so a loop that hangs writes none. Redis may be away.

    A block that ends by an error leaves its last beat: the process did not end in order. One that is cancelled did.
    """

    async def beat() -> None:
        while True:
            with suppress(Unavailable, ConfigurationError):  # the role gets these errors too
                await notes.seen(worker, now_ms())
            await asyncio.sleep(BEAT_SECONDS)

    async def leave() -> None:
        beating.cancel()
        with suppress(Unavailable, ConfigurationError, TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await notes.left(worker)

    beating = asyncio.create_task(beat(), name="heartbeat")
    try:
        yield
        await leave()
    except asyncio.CancelledError:
        await leave()
        raise
    finally:
        beating.cancel()
        await notes.close()
