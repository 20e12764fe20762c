"""The claim of a rebuild is given back, whatever its renewal waits for at that moment."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from stream_app.rebuild import claim as claims
from stream_app.rebuild.claim import RebuildClaim
from stream_app.retry import Retry
from stream_app.store.generations import Claim, Generations


class Server:
    """Answers a claim after a while. It loses the first cancellation meanwhile, as redis-py may on Python 3.11."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.released: list[str] = []
        self._lost = False

    async def claim(self, who: str, ms: int) -> Claim:
        self.asked.set()
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            if self._lost:
                raise
            self._lost = True
            cast("asyncio.Task[Any]", asyncio.current_task()).uncancel()
        return Claim(who, ms)

    async def release(self, who: str) -> None:
        self.released.append(who)


def test_claim_ends_while_it_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_RENEW_EVERY_SECONDS", 0.01)

    async def test() -> None:
        server = Server()
        held = RebuildClaim(cast(Generations, server), Retry("redis", 1), print)
        async with asyncio.timeout(10):
            async with held.held():
                server.asked.clear()
                await server.asked.wait()
        assert len(server.released) == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(test())
