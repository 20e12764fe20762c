"""The commands that reads of summaries use, on hashes in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from stream_app.records import ProductText
from stream_app.store import packing
from stream_app.store.keys import Keys, Namespace
from stream_app.store.server import Command

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
TEXT = packing.pack_text(ProductText("Good.", "Good.", "abstractive", (), None, NOW_MS))
KEYS = Keys(Namespace(":stream-app:v1"), 1)


class HashServer:
    """The commands that reads use, on hashes in memory; ``trips`` has the commands of each round trip."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.broken: set[str] = set()
        self.is_cluster = False
        self.error: Exception | None = None
        self.held: asyncio.Event | None = None
        self.trips: list[list[str]] = []

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """As Server.run."""
        self.trips.append([command[0] for command in commands])
        await asyncio.sleep(0)
        if self.held is not None:
            await self.held.wait()
        if self.error is not None:
            raise self.error
        if broken := self.broken.intersection(command[1] for command in commands):
            raise ValueError(f"{broken} hold no hash")
        return [self._answer(*command) for command in commands]

    def _answer(self, name: str, key: str, *fields: str) -> Any:
        held = self.hashes.get(key, {})
        if name == "HVALS":
            return [*held.values()]
        return dict(held) if name == "HGETALL" else [held.get(one.encode()) for one in fields]

    def put(self, product_id: str, reviews: int) -> None:
        """A product with this number of positive reviews of five stars, all of this hour."""
        tally = f"0 0 {reviews} 0 0 0 0 0 {reviews} 0".encode()
        day, hour = divmod(NOW_MS // HOUR_MS, 24)
        self.hashes[KEYS.product(product_id).state] = {
            b"version": str(reviews).encode(),
            b"totals": tally,
            b"newest": str(NOW_MS).encode(),
            str(day).encode(): b";%d %s" % (hour, tally),
        }
