"""The API on a view held in memory, in a thread of this process: ``python -m tests.browser.serving`` shows a sample."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn

from stream_app.api.app import create_app
from stream_app.api.live import LiveFeed
from stream_app.api.server import Server
from stream_app.ports import SummaryStore
from stream_app.testing.reader import CannedSummaryReader
from tests.browser.sample_view import sample_view, wall_clock_ms


@contextmanager
def serving(view: CannedSummaryReader, port: int = 0, **others: Any) -> Iterator[str]:
    """Serve ``view`` on loopback; gives the address. Everything has ended when the block is left.

    ``others``: of ``create_app``.
    """
    store = cast(SummaryStore, view)
    feed = LiveFeed(store, wall_clock_ms, lambda: 1, interval_seconds=0.1)
    app = create_app(store, now_ms=wall_clock_ms, feed=feed, **others)
    server = Server(uvicorn.Config(app, log_config=None, log_level="warning", access_log=False), feed)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive(), "The server does not stop: a stream of events is still open"


if __name__ == "__main__":
    with serving(sample_view(), review_url="https://shop.example/{product_id}#{review_id}") as address:
        print(address, flush=True)
        threading.Event().wait()
