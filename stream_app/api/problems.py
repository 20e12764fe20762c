"""Every error of the API as a problem document (RFC 9457) that states what to do next."""

from __future__ import annotations

import time
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from stream_app import telemetry
from stream_app.ports import ConfigurationError, StoreUnavailable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
_LOG_EVERY_SECONDS = 10.0


class Problem(Exception):
    """A request that cannot be answered as asked; becomes the response."""

    def __init__(self, status: int, type_: str, detail: str, next_step: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.type = type_
        self.detail = detail
        self.next_step = next_step
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        """The problem as application/problem+json; never cached."""
        body = {
            "type": f"urn:stream-app:problem:{self.type}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "next_step": self.next_step,
        }
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(orjson.dumps(body), self.status, headers, MEDIA_TYPE)


def unknown_product(product_id: str, *, stale: bool = False) -> Problem:
    """404 for a product of which the view knows nothing. ``stale``: it was lost; a shopper can only wait, and operators
    hear of it from /readyz, `stream-app check` and `stream-app status`.
    """
    lost = " Summaries are being restored, so it may have some." if stale else ""
    return Problem(
        404,
        "unknown-product",
        f"No review of product {product_id[:128]!r} has been applied.{lost}",
        "Try again later."
        if stale
        else "Check the id (percent-encode it in the path); GET /v1/products lists known products.",
    )


def store_away() -> Problem:
    """503 while Redis or Valkey cannot be reached, or refuses us. It names no address: the log has the details."""
    return Problem(
        503,
        "store-unavailable",
        "The store of summaries cannot be reached.",
        f"Try again in {RETRY_AFTER_SECONDS} s. Operators: the API's log and `stream-app check` say what is wrong.",
        Retry_After=str(RETRY_AFTER_SECONDS),
    )


def not_public() -> Problem:
    """404 on the port of look-ups for what only the internal one has."""
    return Problem(404, "not-public", "This port answers look-ups alone.", "Ask the internal port for everything else.")


def unknown_host(host: str) -> Problem:
    """403 for a request by a name that may be a stranger's, whose page then reads the answer."""
    return Problem(
        403,
        "unknown-host",
        f"The name in Host, {host[:128]!r}, is not known here.",
        "Ask by localhost or an IP address. Operators: STREAM_APP_API_INTERNAL_ALLOWED_HOSTS adds names.",
    )


class ErrorAnswers:
    """Makes the problem documents of errors."""

    def __init__(self) -> None:
        self._last_logged = -_LOG_EVERY_SECONDS

    def answer(self, error: Exception) -> Response | None:
        """Return the problem document; None for a bug, which whoever logs it gets."""
        if isinstance(error, Problem):
            return error.response()
        if isinstance(error, StoreUnavailable | ConfigurationError):
            if time.monotonic() - self._last_logged >= _LOG_EVERY_SECONDS:  # a thousand requests a second: one line
                self._last_logged = time.monotonic()
                telemetry.dependency_unavailable("store", str(error), RETRY_AFTER_SECONDS)
            return store_away().response()  # guarantee: reads-say-try-again, errors-name-no-server
        if isinstance(error, HTTPException):
            problem = Problem(error.status_code, "http", str(error.detail), "GET /docs lists what can be asked.")
            problem.headers.update(error.headers or {})
            return problem.response()
        return None
