"""The connections of a proxy: the chunks in flight in each direction, and resets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds
_IN_FLIGHT_BYTES = 4 * 1024 * 1024  # of one direction of one connection; more waits at its sender (back-pressure)


@dataclass
class Direction:
    """What one direction does with chunks now; shared by all connections."""

    delay_seconds: float = 0.0
    swallows: bool = False
    flows: asyncio.Event = field(default_factory=asyncio.Event)  # clear: chunks in flight wait


class ChunksInFlight:
    """The chunks in flight in one direction, each with its due time; bounded in bytes."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[bytes, float]] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, chunk: bytes, due: float) -> None:
        while self._bytes > _IN_FLIGHT_BYTES:
            self._room.clear()
            await self._room.wait()
        self._chunks.append((chunk, due))
        self._bytes += len(chunk)
        self._some.set()

    async def first(self) -> tuple[bytes, float]:
        while not self._chunks:
            self._some.clear()
            await self._some.wait()
        return self._chunks[0]

    def remove_first(self) -> None:
        chunk, _ = self._chunks.popleft()
        self._bytes -= len(chunk)
        self._room.set()


@dataclass(eq=False)
class Connection:
    task: asyncio.Task[None]
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    torn: bool = False  # bytes of it were swallowed: it cannot go on
    answers_until_reset: int | None = None

    def reset(self) -> None:
        """Both ends see ECONNRESET, and the task that serves it ends."""
        self.abort()
        self.task.cancel()

    def abort(self) -> None:
        """The same, called by the task itself."""
        for writer in (self.client, self.server):
            if writer is not None:
                with suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                writer.transport.abort()
