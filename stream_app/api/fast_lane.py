"""Answers the request of product pages without FastAPI's routing, which takes as long as the answer itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send


class FastLane:
    """ASGI middleware: a GET of ``route`` goes to its endpoint at once, everything else the usual way.

    The endpoint takes the request and the path's parameters as they are, and answers with a Response.
    """

    def __init__(self, app: ASGIApp, route: APIRoute, handlers: Mapping[Any, Any]) -> None:
        """``handlers``: of exceptions, by class, as ``app`` has them."""
        self._app = app
        self._route = route
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        match, found = self._route.matches(scope)
        if match is not Match.FULL:
            await self._app(scope, receive, send)
            return
        scope.update(found)
        request = Request(scope, receive)
        try:
            response = await self._route.endpoint(request, **found["path_params"])
        except Exception as error:
            handler = next((self._handlers[one] for one in type(error).__mro__ if one in self._handlers), None)
            if handler is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)
