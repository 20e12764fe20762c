"""A route of the API, and the description of all of them, which is in schemas/openapi.json."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from stream_app import contract

Endpoint = Callable[[Request], Awaitable[Response]]


class ApiRoute(Route):
    """A route for these methods alone: Starlette would add HEAD to GET."""

    def __init__(self, path: str, endpoint: Endpoint, methods: Collection[str] = ("GET",)) -> None:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        super().__init__(path, endpoint, methods=methods)
        self.methods = set(methods)
        self.app = answer  # Starlette's own looks for handlers of exceptions


def openapi(version: str) -> dict[str, Any]:
    """Return the description of the API, with every schema in its place, so that programs need no other file."""
    document = orjson.loads((contract.schema_folder() / "openapi.json").read_bytes())
    described: dict[str, Any] = _resolved(document, document["components"]["schemas"])
    described["info"]["version"] = version
    described["components"] = {"schemas": {}}
    return described


def _resolved(node: Any, own: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_resolved(one, own) for one in node]
    if not isinstance(node, dict):
        return node
    if (ref := node.get("$ref")) is None:
        return {key: _resolved(value, own) for key, value in node.items()}
    if ref.startswith("#"):
        return _resolved(own[ref.rpartition("/")[2]], own)
    # "$schema" and "$id" belong to the file; inside another document they would change how references resolve
    schema = contract.schema(ref.removesuffix(".schema.json"))
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id")}
