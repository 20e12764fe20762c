"""The API as one ASGI application, and the server that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import orjson
import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_app import telemetry
from stream_app.api import look_ups, page, problems
from stream_app.api.fast_lane import FastLane
from stream_app.api.limits import Limits, limited_protocol
from stream_app.api.live import LiveFeed
from stream_app.ports import VIEW_WAS_LOST, ConfigurationError, SummaryReader
from stream_app.settings import Settings

_STOP_SECONDS = 3


def create_app(
    store: SummaryReader,
    *,
    now_ms: Callable[[], int],
    generation: Callable[[], int] = lambda: 1,
    stale: Callable[[], bool] = lambda: False,
    feed: LiveFeed | None = None,
    public_port: int | None = None,
) -> FastAPI:
    """Look-ups, page and health on ``store``. ``now_ms``: the clock, milliseconds since 1970 in UTC.

    ``generation`` names the view that was read, for ETags: another view, other ETags.
    ``stale``: was that view lost? Answers then say so.
    ``feed``: a stream of changes of one's own. ``public_port``: requests that come by it get look-ups and health alone.
    """
    feed = feed or LiveFeed(store, now_ms, generation, stale)
    app = _Api(
        title="stream-app look-ups",
        version=version("stream-app"),
        description="Rolling summaries of product reviews, and recent alerts. Reads the view in Redis or Valkey alone.",
        docs_url=None,  # these two load scripts from another origin; /docs here is our own
        redoc_url=None,
        redirect_slashes=False,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # ours is the package telemetry; theirs asks at every call
    )
    routes = look_ups.router(store, now_ms, generation, stale)
    app.include_router(routes)
    app.include_router(_live(feed))
    app.include_router(_health(store, stale))
    app.include_router(page.router())
    problems.install(app)
    app.add_middleware(FastLane, route=look_ups.summary_route(routes), handlers=app.exception_handlers)
    if public_port is not None:
        app.add_middleware(_PublicPort, port=public_port)
    app.add_middleware(_Measured)  # around the others: the one added last comes first
    return app


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Without the 422 that FastAPI writes everywhere: a wrong parameter is a 400 here."""
        document = super().openapi()
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        document.get("components", {}).get("schemas", {}).clear()  # they describe the 422 alone
        return document


def _live(feed: LiveFeed) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["look-ups"])

    @routes.get(
        "/events",
        summary="Changes of products and alerts, live",
        responses={
            200: {"description": "Server-Sent Events.", "content": {"text/event-stream": {}}},
            **problems.responses(503),
        },
    )
    async def events(request: Request) -> Response:
        """Events `product`, `alert`, `gone`, `store` and `beat`: first of what there is, then of what changes."""
        address = request.client.host if request.client else ""
        if feed.is_full(address):
            telemetry.client_was_limited("streams")
            raise problems.Problem(
                503, "too-many-clients", "All streams of events are taken.", "Try again later.", Retry_After="30"
            )
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter: nginx passes events on at once
        return StreamingResponse(feed.events(address), headers=headers, media_type="text/event-stream")

    return routes


def _health(store: SummaryReader, stale: Callable[[], bool]) -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Response:
        """200 as long as the process answers, whatever else is away."""
        return _now({"status": "alive"})

    @routes.get("/readyz", summary="Can look-ups be answered?", responses=problems.responses(503))
    async def readyz() -> Response:
        """200 with the store's latency in milliseconds, and `stale` with the next step while the view is lost;
        503 while the store cannot be reached.
        """
        started = time.perf_counter()
        await store.product_ids(1)
        latency_ms = round((time.perf_counter() - started) * 1000, 3)
        lost = {"stale": True, "next_step": VIEW_WAS_LOST} if stale() else {}
        return _now({"status": "ready", "store_latency_ms": latency_ms, **lost})

    own_series = telemetry.registry_of("api")

    @routes.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """Text format of Prometheus."""
        return Response(generate_latest(own_series), media_type=CONTENT_TYPE_LATEST)

    return routes


def _now(body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), 200, {"Cache-Control": "no-store"}, "application/json")


class _PublicPort:
    """Keeps strangers from what is not theirs: alerts quote customers, metrics and docs tell of the inside.

    An allow list, so that a route added later is internal until it is named here.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["server"][1] != self._port or _is_public(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await problems.not_public().response()(scope, receive, send)


def _is_public(path: str) -> bool:
    return path.startswith("/v1/products/") or path in ("/v1/products", "/healthz", "/readyz")


class _Measured:
    """Counts each request by route and status, with the time until its answer began."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                # the route's pattern, never the path: a label per product would have no bound
                route = getattr(scope.get("route"), "path", "unmatched")
                telemetry.look_up_answered(route, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, measured)


def _print(line: str) -> None:
    print(line, flush=True)


def serve(
    settings: Settings,
    *,
    any_port: bool = False,
    say: Callable[[str], None] = _print,
) -> None:
    """Serve until SIGTERM or Ctrl-C, which let running requests finish (3 seconds at most). Says the addresses.

    Look-ups have one port, everything has the internal one. ``any_port``: where a port is busy take a free one, and say
    so. The store may be away: look-ups answer 503 until it is back. Raises ConfigurationError when an address cannot be
    listened on.
    """
    public = _listen(settings.api_host, settings.api_port, any_port, say)
    with public, contextlib.ExitStack() as stack:
        internal = public
        if not settings.api_has_one_port:
            internal = stack.enter_context(
                _listen(settings.api_internal_host, settings.api_internal_port, any_port, say)
            )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, public, internal, say))


def _listen(host: str, port: int, any_port: bool, say: Callable[[str], None]) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and any_port:
            say(f"Port {port} is busy; taking a free one instead.")
            return socket.create_server((host, 0), family=family, backlog=1024)
        if error.errno == errno.EADDRINUSE:
            reason = "it is in use. Stop what uses it, or choose another with --port or --page-port (0: any free one)."
        else:
            reason = f"{error.strerror or error}. Choose another with --host and --port (or STREAM_APP_API_…)."
        raise ConfigurationError(f"Cannot listen on {host} port {port}: {reason}") from error


async def _serve(
    settings: Settings, public: socket.socket, internal: socket.socket, say: Callable[[str], None]
) -> None:
    from stream_app.store.current import CurrentView

    store = CurrentView.from_settings(settings)

    def generation() -> int:
        return store.generation

    def stale() -> bool:
        return store.is_lost

    feed = LiveFeed(
        store,
        _wall_clock_ms,
        generation,
        stale,
        max_clients=settings.api_streams,
        max_clients_per_address=settings.api_streams_per_address,
    )
    public_port = None if internal is public else public.getsockname()[1]
    app = create_app(
        store, now_ms=_wall_clock_ms, generation=generation, stale=stale, feed=feed, public_port=public_port
    )
    config = uvicorn.Config(
        app,
        http=limited_protocol(Limits.from_settings(settings)),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(settings.api_idle_seconds) or 1,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    # what is there now stays: the collector need not walk it again and again, which stops every look-up for 30 ms
    gc.collect()
    gc.freeze()
    say(f"Page: {_address(internal)}   Look-ups: {_address(public)}")
    try:
        await Server(config, feed).serve([public] if internal is public else [public, internal])
    finally:
        await store.close()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class Server(uvicorn.Server):
    """Ends the streams of events before it waits for requests to finish; a signal ends it with exit code 0."""

    def __init__(self, config: uvicorn.Config, feed: LiveFeed) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feed.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again once it has stopped: a clean stop would look like a death
        if threading.current_thread() is not threading.main_thread():  # signals come to the main thread alone
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000
