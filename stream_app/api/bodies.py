"""The JSON body of a request, bounded."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from stream_app.api.problems import Problem


async def json_object(request: Request, most_bytes: int, example: str) -> dict[str, Any]:
    """The object that was sent. ``example``: a good one, for whoever sent another. Raises Problem."""
    # a page of another origin may send text/plain to a port on loopback without asking first, and JSON not
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "not-json", "The body is not JSON.", "Send it with Content-Type: application/json.")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > most_bytes:  # guarantee: explanations-are-bounded
                raise Problem(
                    413,
                    "too-large",
                    f"The body has over {most_bytes} bytes.",
                    "Shorten the text.",
                    Connection="close",
                )
    except ClientDisconnect:
        raise invalid_body("The body is not complete.", example) from None
    try:
        fields: Any = orjson.loads(bytes(body))
    except orjson.JSONDecodeError as error:
        raise invalid_body(f"The body is not JSON: {error}.", example) from None
    if not isinstance(fields, dict):
        raise invalid_body("The body is not a JSON object.", example)
    return fields


def invalid_body(detail: str, example: str) -> Problem:
    """400 for a body that is not what was asked for."""
    return Problem(400, "invalid-body", detail, f"Send {example}.")
