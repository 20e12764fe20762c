"""POST /v1/explain: what a classifier answers to a review, and why; one computation at a time, off the event loop."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stream_app import contract, telemetry
from stream_app.api.bodies import invalid_body, json_object
from stream_app.api.problems import Problem
from stream_app.api.routes import ApiRoute
from stream_app.ports import Explainer
from stream_app.records import Explanation, NotExplained, Review

MAX_BODY_BYTES = 256 * 1024
"""The longest text that is read by default, each of its characters escaped (``\\ud83d\\ude00``), and more."""
MAX_WAITING = 4
MAX_SECONDS = 30.0
"""From a request to its answer, waiting included."""
_RETRY_AFTER_SECONDS = "5"
_EXAMPLE = '{"text": "…", "title": "…", "language": "en", "words": true}'


class Explanations:
    """Explains one review after another in a thread of its own. All methods are called on the event loop."""

    def __init__(self, explainer: Explainer, *, max_waiting: int = MAX_WAITING, max_seconds: float = MAX_SECONDS):
        self._explainer = explainer
        self._max_waiting = max_waiting
        self._max_seconds = max_seconds
        self._thread = ThreadPoolExecutor(1, "explain")
        self._unfinished = 0
        self._gives_up = False

    async def explain(self, review: Review, words: bool) -> Explanation | NotExplained:
        """Raises Problem where too many wait, or the time is over."""
        if self._unfinished > self._max_waiting:  # guarantee: explanations-that-wait-are-bounded
            telemetry.client_was_limited("explanations")
            raise _later("Too many explanations wait.", "Try again later.")
        until = time.monotonic() + self._max_seconds

        def gives_up() -> bool:
            return self._gives_up or time.monotonic() >= until

        def compute() -> Explanation | NotExplained:
            return self._explainer.explain(review, words=words, gives_up=gives_up)

        running = asyncio.get_running_loop().run_in_executor(self._thread, compute)
        self._unfinished += 1
        running.add_done_callback(self._finished)
        try:
            async with asyncio.timeout(self._max_seconds):
                return await asyncio.shield(running)  # it keeps its place until the thread is free of it
        except TimeoutError:
            raise _too_slow() from None

    def give_up(self) -> None:
        """Answer 503 to what is computed and what waits. Returns at once."""
        self._gives_up = True

    def close(self) -> None:
        """The same; blocks until the thread ends, about a second at most."""
        self.give_up()
        self._thread.shutdown(wait=True)

    def _finished(self, running: asyncio.Future[Explanation | NotExplained]) -> None:
        self._unfinished -= 1
        if not running.cancelled():
            running.exception()  # else asyncio logs it where nobody waits any longer


def routes(explanations: Explanations | None) -> list[ApiRoute]:
    """The route; None: it says that explanations are off."""

    async def explain(request: Request) -> Response:
        """The label of a review, what each sentence says and, with `words`, what each word adds to the label."""
        if explanations is None:
            raise Problem(
                404,
                "explain-is-off",
                "This process explains nothing: it has no model.",
                "Start it with STREAM_APP_API_EXPLAIN=true, or run `stream-app explain`.",
            )
        review, words = _asked(await json_object(request, MAX_BODY_BYTES, _EXAMPLE))
        found = await explanations.explain(review, words)
        if isinstance(found, Explanation):
            headers = {"Cache-Control": "no-store"}
            return Response(contract.encode_explanation(found), 200, headers, "application/json")
        if found.reason == "too_slow":
            raise _too_slow()
        raise Problem(422, found.reason.replace("_", "-"), f"{found.detail}.", found.next_step)

    return [ApiRoute("/v1/explain", explain, ("POST",))]


def _asked(fields: dict[str, Any]) -> tuple[Review, bool]:
    """The review, and whether its words are to be weighed. Raises Problem."""
    words = fields.get("words", False)
    if not isinstance(words, bool):
        raise _wrong("words is neither true nor false.")
    if not isinstance(fields.get("text"), str):
        raise _wrong("text is not a string.")
    for name in ("title", "language"):
        if not isinstance(fields.get(name), str | None):
            raise _wrong(f"{name} is not a string.")
    review = Review(
        "", "", 0, "created", 0, title=fields.get("title"), text=fields["text"], language=fields.get("language")
    )
    return review, words


def _wrong(detail: str) -> Problem:
    return invalid_body(detail, _EXAMPLE)


def _too_slow() -> Problem:
    return _later("It was not explained in time.", "Shorten the text, ask without words, or try again later.")


def _later(detail: str, next_step: str) -> Problem:
    return Problem(503, "explain-is-busy", detail, next_step, Retry_After=_RETRY_AFTER_SECONDS)
