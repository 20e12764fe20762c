"""The API as one ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_app import telemetry
from stream_app.api import explain, handling, history, look_ups, page, problems, sentences, signals, slices
from stream_app.api.card import routes as card
from stream_app.api.known_hosts import KnownHosts
from stream_app.api.live import LiveFeed
from stream_app.api.operations import Operations
from stream_app.api.operations import routes as operation_routes
from stream_app.api.routes import ApiRoute, openapi
from stream_app.ports import VIEW_WAS_LOST, AlertDesk, SummaryReader


def create_app(
    store: AlertDesk,
    *,
    now_ms: Callable[[], int],
    generation: Callable[[], int] = lambda: 1,
    stale: Callable[[], bool] = lambda: False,
    feed: LiveFeed | None = None,
    public_port: int | None = None,
    known_names: frozenset[str] | None = None,
    explanations: explain.Explanations | None = None,
    card_origins: tuple[str, ...] = (),
    review_url: str = "",
    operations: Operations | None = None,
) -> Api:
    """Look-ups, page and health on ``store``. ``now_ms``: the clock, milliseconds since 1970 in UTC.

    ``generation`` names the view that was read, for ETags: another view, other ETags.
    ``stale``: was that view lost? Answers then include it.
    ``feed``: a stream of changes of one's own. ``public_port``: requests that come by it get look-ups and health alone.
    ``known_names``: in Host of all other requests, beside IP addresses; None: any.
    ``explanations``, ``operations``: None: they are off. ``card_origins``: of pages that may show cards; ``*``: any.
    ``review_url``: where the shop shows a review, with {product_id} and {review_id}.
    """
    feed = feed or LiveFeed(store, now_ms, generation, stale)
    routes = [
        *look_ups.routes(store, now_ms, generation, stale),  # first: most requests are for them
        *card.routes(store, now_ms, stale, card_origins),
        *history.routes(store, now_ms, stale),
        *slices.routes(store, now_ms, stale),
        *sentences.routes(store, now_ms, review_url),
        *signals.routes(store, now_ms, generation, stale),
        *handling.routes(store, now_ms),
        *_live(feed),
        *explain.routes(explanations),
        *operation_routes(operations),
        *_health(store, stale),
        Route("/openapi.json", _openapi),
        *page.routes(),
    ]
    return Api(routes, public_port, known_names)


class Api:
    """The application. Answers errors with problem documents; counts each request by route and status, with the time
    until its answer began.

    It stands in for Starlette's own application, whose two layers around the router took as long as a route.
    """

    def __init__(
        self, routes: Sequence[BaseRoute], public_port: int | None, known_names: frozenset[str] | None
    ) -> None:
        self.routes = routes
        router = Router(routes, redirect_slashes=False)
        self._app: ASGIApp = router if known_names is None else KnownHosts(router, known_names)
        if public_port is not None:
            self._app = _PublicPort(router, public_port, self._app)
        self._errors = problems.ErrorAnswers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["app"] = self  # else the router would answer what it does not find by itself
        started = time.perf_counter()
        answered = False

        async def measured(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                # the route's pattern, never the path: a label per product would have no bound
                route = getattr(scope.get("route"), "path", "unmatched")
                telemetry.look_up_answered(route, message["status"], time.perf_counter() - started)
            await send(message)

        try:
            await self._app(scope, receive, measured)
        except Exception as error:
            answer = None if answered else self._errors.answer(error)
            if answer is None:
                raise
            await answer(scope, receive, measured)


async def _openapi(_: Request) -> Response:
    return Response(orjson.dumps(openapi(version("stream-app"))), media_type="application/json")


def _live(feed: LiveFeed) -> list[ApiRoute]:
    async def events(request: Request) -> Response:
        """Events `product`, `alert`, `gone`, `store` and `beat`: first of what there is, then of what changes."""
        address = request.client.host if request.client else ""
        if feed.is_full(address):
            telemetry.client_was_limited("streams")
            raise problems.Problem(
                503, "too-many-clients", "All streams of events are taken.", "Try again later.", Retry_After="30"
            )
        return _Events(feed, address)

    return [ApiRoute("/v1/events", events)]


class _Events(StreamingResponse):
    """A stream of events, with its place from the step on in which there was room for it: by its first event others,
    asked for at the same moment, would have been let in.
    """

    def __init__(self, feed: LiveFeed, address: str) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter: nginx passes events on at once
        super().__init__(feed.events(), headers=headers, media_type="text/event-stream")
        self._feed = feed
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._feed.place(self._address):  # guarantee: streams-count-from-the-step-that-lets-them-in
            await super().__call__(scope, receive, send)


def _health(store: SummaryReader, stale: Callable[[], bool]) -> list[ApiRoute]:
    own_series = telemetry.registry_of("api")

    async def healthz(_: Request) -> Response:
        """200 as long as the process answers, whatever else is away."""
        return _now({"status": "alive"})

    async def readyz(_: Request) -> Response:
        """200 with the store's latency in milliseconds, and `stale` with the next step while the view is lost;
        503 while the store cannot be reached.
        """
        started = time.perf_counter()
        await store.product_ids(1)
        latency_ms = round((time.perf_counter() - started) * 1000, 3)
        lost = {"stale": True, "next_step": VIEW_WAS_LOST} if stale() else {}
        return _now({"status": "ready", "store_latency_ms": latency_ms, **lost})

    async def metrics(_: Request) -> Response:
        """Text format of Prometheus."""
        return Response(generate_latest(own_series), media_type=CONTENT_TYPE_LATEST)

    return [ApiRoute("/healthz", healthz), ApiRoute("/readyz", readyz), ApiRoute("/metrics", metrics)]


def _now(body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), 200, {"Cache-Control": "no-store"}, "application/json")


_PUBLIC_OF_A_PRODUCT = ("/summary", "/card", "/history", "/signals")


class _PublicPort:
    """Hides what is not public: alerts quote customers, metrics and docs describe the inside. ``internal`` answers what
    comes by another port.

    An allow list, so that a route added later is internal until it is named here. Its answers are public, and a proxy
    before it passes on the shop's name: Host is not looked at.
    """

    def __init__(self, app: ASGIApp, port: int, internal: ASGIApp) -> None:
        self._app = app
        self._port = port
        self._internal = internal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["server"][1] != self._port:
            await self._internal(scope, receive, send)
        elif _is_public(scope["path"]):  # guarantee: port-of-look-ups-has-look-ups-alone
            await self._app(scope, receive, send)
        else:
            await problems.not_public().response()(scope, receive, send)


def _is_public(path: str) -> bool:
    # not its slices: narrowed to one review after another they would quote them all
    of_product = path.startswith("/v1/products/") and path.endswith(_PUBLIC_OF_A_PRODUCT)
    return of_product or path in ("/v1/products", "/v1/card.js", "/healthz", "/readyz")
