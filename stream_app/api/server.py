"""Runs the API: listens, serves until a signal, and ends in order."""

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

import uvicorn
import uvloop

from stream_app.api.app import create_app
from stream_app.api.explain import Explanations
from stream_app.api.known_hosts import known_names
from stream_app.api.limits import Limits, limited_protocol
from stream_app.api.live import LiveFeed
from stream_app.api.operations import LookAround, Operations
from stream_app.api.sentences import checked_template
from stream_app.ports import ConfigurationError, Explainer
from stream_app.settings import Settings

_STOP_SECONDS = 3
# A busy shop's look-ups are mostly for a few products. Caches may keep an answer for a second (answers.CACHE_CONTROL).
_REUSE_SECONDS = 0.2
_OLD_COLLECTION_EVERY = 100  # collections of the middle generation; Python's own value is 10


def _print(line: str) -> None:
    print(line, flush=True)


def serve(
    settings: Settings,
    *,
    say: Callable[[str], None] = _print,
    explainer: Explainer | None = None,
    look_around: LookAround | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, which let running requests finish (3 seconds at most). Prints the addresses.

    ``explainer``: answers POST /v1/explain; ``look_around``: GET /v1/operations; None: that is off.

    Look-ups have one port, everything has the internal one. The store may be away: look-ups answer 503 until it is
    back. Raises ConfigurationError when an address cannot be listened on.
    """
    public = _listen(settings.api_host, settings.api_port)
    with public, contextlib.ExitStack() as stack:
        internal = public
        if not settings.api_has_one_port:
            internal = stack.enter_context(_listen(settings.api_internal_host, settings.api_internal_port))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, public, internal, say, explainer, look_around))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "it is in use. Stop what uses it, or choose another with --port or --page-port (0: any free one)."
        else:
            reason = f"{error.strerror or error}. Choose another with --host and --port (or STREAM_APP_API_…)."
        raise ConfigurationError(f"Cannot listen on {host} port {port}: {reason}") from error


async def _serve(
    settings: Settings,
    public: socket.socket,
    internal: socket.socket,
    say: Callable[[str], None],
    explainer: Explainer | None,
    look_around: LookAround | None,
) -> None:
    from stream_app.store.current import CurrentView

    store = CurrentView.from_settings(settings, _REUSE_SECONDS)

    def generation() -> int:
        return store.generation

    def stale() -> bool:
        return store.is_lost

    feed = LiveFeed(
        store,
        _wall_clock_ms,
        generation,
        stale,
        max_clients=settings.api_streams,  # guarantee: streams-are-a-setting
        max_clients_per_address=settings.api_streams_per_address,  # guarantee: streams-per-address-are-a-setting
    )
    # guarantee: ports-are-distinguished
    public_port = None if internal is public else public.getsockname()[1]
    explanations = None if explainer is None else Explanations(explainer)
    operations = None if look_around is None else Operations(look_around)
    app = create_app(
        store,
        now_ms=_wall_clock_ms,
        generation=generation,
        stale=stale,
        feed=feed,
        public_port=public_port,
        # guarantee: names-are-checked-by-address-and-setting
        known_names=known_names(internal.getsockname()[0], settings.internal_allowed_hosts),
        explanations=explanations,
        card_origins=settings.card_origins,
        review_url=_review_url(settings.review_url),
        operations=operations,
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
    # What is there now stays, and so do the summaries kept: to walk all of them stopped every look-up for 20 to 160 ms,
    # several times a minute under load, and found nothing there. Young cycles are collected as before.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], _OLD_COLLECTION_EVERY)
    say(f"Page: {_address(internal)}   Look-ups: {_address(public)}")
    try:
        await Server(config, feed, explanations, operations).serve(
            [public] if internal is public else [public, internal]
        )
    finally:
        if explanations is not None:
            explanations.close()
        if operations is not None:
            operations.close()
        await store.close()


def _review_url(template: str) -> str:
    try:
        return checked_template(template)
    except ValueError as error:
        raise ConfigurationError(
            f"STREAM_APP_REVIEW_URL: {error}. Say for example https://shop.example/p/{{product_id}}#{{review_id}}."
        ) from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class Server(uvicorn.Server):
    """Ends the streams of events, and what computes without end, before it waits for requests to finish; a signal ends
    it with exit code 0.
    """

    def __init__(
        self, config: uvicorn.Config, feed: LiveFeed, *to_be_given_up: Explanations | Operations | None
    ) -> None:
        super().__init__(config)
        self._feed = feed
        self._to_be_given_up = [one for one in to_be_given_up if one is not None]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feed.close()
        for one in self._to_be_given_up:
            one.give_up()
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
