"""The claim that keeps two rebuilds apart: held in Redis, renewed while its process lives, and expired soon after."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.retry import Retry
from stream_app.store.generations import Claim, Generations

_CLAIM_MS = 15_000
_RENEW_EVERY_SECONDS = 3.0
_POLL_SECONDS = 0.5


class RebuildClaim:
    """The claim of this process. Two rebuilds at once would damage nothing, but take each other's partitions."""

    def __init__(self, generations: Generations, retry: Retry, say: Callable[[str], None]) -> None:
        self._generations = generations
        self._retry = retry
        self._say = say
        self._who = f"{socket.gethostname()} process {os.getpid()} ({uuid4().hex[:8]})"
        self._lost_to: str | None = None
        self._given_back = asyncio.Event()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the claim. One that is not renewed expires, so it is waited for.

        Raises ConfigurationError if another process renews its own.
        """
        claim = await self._try()
        if claim.holder != self._who:
            self._say(f"A rebuild by {claim.holder} holds the claim; checking whether that process lives.")
        while claim.holder != self._who:
            await asyncio.sleep(_POLL_SECONDS)
            earlier, claim = claim, await self._try()
            if claim.holder == earlier.holder and claim.ms > earlier.ms:  # renewed meanwhile
                raise ConfigurationError(
                    f"A rebuild runs already: {claim.holder}. Wait for its end, or stop it there; then run this again."
                )
        renewing = asyncio.create_task(self._renew(), name="renew the claim")
        try:
            yield
        finally:
            # Not cancelled: before Python 3.12 `wait_for`, by which redis-py waits, loses a cancellation that comes
            # with the answer, and the renewal would go on.
            self._given_back.set()  # guarantee: claim-is-given-back
            await renewing
            with suppress(StoreUnavailable):  # it ends by itself
                await self._generations.release(self._who)

    def refuse_if_lost(self) -> None:
        """Raise ConfigurationError if another rebuild took the claim while Redis was away."""
        if self._lost_to is not None:
            raise ConfigurationError(f"Another rebuild took over: {self._lost_to}. This one stops.")

    async def _try(self) -> Claim:
        return await self._retry(lambda: self._generations.claim(self._who, _CLAIM_MS))

    async def _renew(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._given_back.wait(), _RENEW_EVERY_SECONDS)
                return
            with suppress(StoreUnavailable):  # what needs Redis reports it
                claim = await self._generations.claim(self._who, _CLAIM_MS)
                self._lost_to = claim.holder if claim.holder != self._who else None
