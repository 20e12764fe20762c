"""A real HTTP receiver on loopback that answers as a test says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Posted:
    """What a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes


def status(code: int, **headers: str) -> Answer:
    """Answer with this status, and headers (Retry_After for Retry-After)."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): one for name, one in headers.items()})

    return answer


async def hang(_: web.Request) -> web.StreamResponse:
    """Answer nothing for as long as the test runs."""
    await asyncio.Event().wait()
    raise AssertionError


@dataclass
class LocalReceiver:
    """Use it as a context manager. ``answers``: one after another; the last one stays. ``posted``: what arrived."""

    answers: list[Answer] = field(default_factory=lambda: [status(204)])
    tls: ssl.SSLContext | None = None
    posted: list[Posted] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(web.Application(), shutdown_timeout=0.1)
        self._runner.app.router.add_route("*", "/{path:.*}", self._take)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://localhost:{self.port}/alerts"

    @property
    def ids(self) -> list[str]:
        """The header webhook-id of each request, in order of arrival."""
        return [one.headers["webhook-id"] for one in self.posted]

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): one for name, one in request.headers.items()}
        self.posted.append(Posted(request.path, headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)
