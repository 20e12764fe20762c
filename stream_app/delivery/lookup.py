"""Looks up names of hosts, in threads of each receiver's own: a name server that hangs holds no other receiver up."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_THREADS = 2  # a look-up that was given up holds its thread until the name server is given up too


class Lookup(AbstractResolver):
    """For one receiver. The process's own threads, which `getaddrinfo` of an event loop takes, are few and for all."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "looks up a name")

    async def addresses(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC, flags: int = 0
    ) -> list[tuple[Any, ...]]:
        """The entries of ``getaddrinfo`` for a stream. Raises OSError, or UnicodeError where it names no host."""
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, flags)
        # guarantee: look-ups-hold-up-one-receiver
        return list(await asyncio.get_running_loop().run_in_executor(self._threads, ask))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """For aiohttp."""
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=found,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, _, protocol, _, address in await self.addresses(host, port, family, socket.AI_ADDRCONFIG)
        ]

    async def close(self) -> None:
        """Wait for no look-up."""
        self._threads.shutdown(wait=False, cancel_futures=True)
