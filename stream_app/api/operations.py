"""GET /v1/operations: what `stream-app status` finds, for the page; at most every 20 seconds, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from stream_app.api.problems import Problem
from stream_app.api.routes import ApiRoute

LookAround = Callable[[], Sequence[dict[str, Any]]]
"""Blocks for some seconds; never raises for a server that is away: that is a part of what it returns."""

_KEPT_SECONDS = 20.0


class Operations:
    """The parts of the system as they were found last. All methods are called on the event loop."""

    def __init__(self, look_around: LookAround, *, kept_seconds: float = _KEPT_SECONDS) -> None:
        self._look_around = look_around
        self._kept_seconds = kept_seconds
        self._thread = ThreadPoolExecutor(1, "operations")
        self._found: tuple[float, Sequence[dict[str, Any]]] | None = None
        self._gives_up = False
        self._answer: asyncio.Future[Sequence[dict[str, Any]]] | None = None

    async def parts(self) -> Sequence[dict[str, Any]]:
        """All who ask at the same time share one look. Raises Problem where that is given up."""
        loop = asyncio.get_running_loop()
        if self._found is not None and loop.time() - self._found[0] < self._kept_seconds:
            return self._found[1]
        if self._gives_up:
            raise _stopping()
        if self._answer is None:
            self._answer = loop.create_future()
            loop.run_in_executor(self._thread, self._look_around).add_done_callback(self._looked)
        return await asyncio.shield(self._answer)

    def give_up(self) -> None:
        """Answer 503 to all who wait. Returns at once."""
        self._gives_up = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(_stopping())
            self._answer.exception()  # else asyncio logs it where nobody waits any longer

    def close(self) -> None:
        """The same. A look that goes on ends with the process."""
        self.give_up()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _looked(self, looking: asyncio.Future[Sequence[dict[str, Any]]]) -> None:
        answer, self._answer = self._answer, None
        if looking.cancelled():
            return
        error = looking.exception()
        if error is None:
            self._found = looking.get_loop().time(), looking.result()
        if answer is None or answer.done():
            return
        if error is None:
            answer.set_result(looking.result())
        else:
            answer.set_exception(error)


def _stopping() -> Problem:
    return Problem(503, "stopping", "This process stops.", "Try again later.")


def routes(operations: Operations | None) -> list[ApiRoute]:
    """The route; None: it says that nothing is looked for."""

    async def state_of_operations(_: Request) -> Response:
        """The parts of the system as `stream-app status --json` names them; none where this is off."""
        parts = [] if operations is None else await operations.parts()
        return Response(orjson.dumps({"parts": parts}), 200, {"Cache-Control": "no-store"}, "application/json")

    return [ApiRoute("/v1/operations", state_of_operations)]
