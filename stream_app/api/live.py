"""Server-Sent Events for the page: what changed in the view, to every client, for one read a second.

Why events and not polling by each page: the store is read once a second for all pages together, a change is on the
screen within 1.2 seconds, and the browser needs no library. Nothing is queued for a slow client: each compares what it
was last sent with the newest view, so memory is bounded by the view and the number of clients.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import orjson

from stream_app import contract
from stream_app.api.answers import etag
from stream_app.ports import ConfigurationError, StoreUnavailable, SummaryReader

PRODUCTS = 60
ALERTS = 40
_BEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _View:
    """What a page shows. ``read_at``: seconds of the event loop's clock."""

    read_at: float
    available: bool
    products: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # id -> (ETag, product-summary.v1)
    alerts: dict[str, bytes] = field(default_factory=dict)  # id -> alert.v1 as it is listed, oldest first


@dataclass(slots=True)
class _Seen:
    """What one client was sent."""

    available: bool | None = None
    products: dict[str, str] = field(default_factory=dict)
    alerts: dict[str, bytes] = field(default_factory=dict)
    beat_at: float = 0.0


class LiveFeed:
    """The newest products and alerts, as streams of changes."""

    def __init__(
        self,
        store: SummaryReader,
        now_ms: Callable[[], int],
        generation: Callable[[], int],
        stale: Callable[[], bool] = lambda: False,
        *,
        interval_seconds: float = 1.0,
        max_clients: int = 200,
        max_clients_per_address: int = 0,
    ) -> None:
        """``max_clients``: streams at a time, and of one address (0: no limit)."""
        self._store = store
        self._now_ms = now_ms
        self._generation = generation
        self._stale = stale
        self._interval_seconds = interval_seconds
        self._max_clients = max_clients
        self._max_clients_per_address = max_clients_per_address
        self._clients: Counter[str] = Counter()
        self._reading = asyncio.Lock()
        self._closed = asyncio.Event()
        self._view: _View | None = None

    def is_full(self, address: str = "") -> bool:
        """Is there no room for another client, or another of this address?"""
        if self._clients.total() >= self._max_clients:  # guarantee: streams-are-limited
            return True
        # guarantee: streams-of-an-address-are-limited
        return 0 < self._max_clients_per_address <= self._clients[address]

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed.set()

    @contextmanager
    def place(self, address: str = "") -> Iterator[None]:
        """Take a place, of this address, as long as the block runs."""
        self._clients[address] += 1
        try:
            yield
        finally:
            self._clients[address] -= 1
            self._clients += Counter()  # drops those without a stream
            if not self._clients:  # nobody sees that words go: the next client must not be shown them
                self._view = None  # guarantee: view-that-nobody-watched-is-not-shown

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Server-Sent Events, first of everything, then of what changed.

        ``store`` {available}, ``product`` product-summary.v1, ``gone`` {product_id}, ``alert`` as in
        GET /v1/alerts (oldest first; again when what people do about it changes), ``beat`` {} at least every 5 seconds,
        so that a client can distinguish silence from a lost connection.
        """
        seen = _Seen()
        while not self._closed.is_set():
            view = await self._newest()
            if changes := _changes(seen, view):
                yield changes
            await self._pause(view.read_at + self._interval_seconds - asyncio.get_running_loop().time())

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._closed.wait()
        except TimeoutError:
            return

    async def _newest(self) -> _View:
        """The view, at most one interval old: the first client to ask reads, the others get what it read."""
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if self._view is None or now - self._view.read_at >= self._interval_seconds:
                self._view = await self._read(now)
            return self._view

    async def _read(self, now: float) -> _View:
        try:
            ids = await self._store.product_ids(PRODUCTS)
            summaries = await self._store.read(ids, self._now_ms()) if ids else []
            recent = await self._store.recent_alerts(ALERTS)
            handling = await self._store.handling(recent, self._now_ms())
        except (StoreUnavailable, ConfigurationError):
            return replace(self._view, read_at=now, available=False) if self._view else _View(now, False)
        before = self._view.products if self._view else {}
        products: dict[str, tuple[str, bytes]] = {}
        for summary in summaries:
            if summary is None:
                continue
            stale = self._stale()
            tag, known = etag(summary, self._generation(), stale), before.get(summary.product_id)
            if known is None or known[0] != tag:
                known = (tag, contract.encode_product_summary(summary, stale=stale))
            products[summary.product_id] = known
        listed = [
            (one.alert_id, contract.encode_listed_alert(one, how)) for one, how in zip(recent, handling, strict=True)
        ]
        return _View(now, True, products, dict(reversed(listed)))


def _changes(seen: _Seen, view: _View) -> bytes:
    """The events that lead a client from what it has seen to ``view``; notes them as seen."""
    out: list[bytes] = []
    if seen.available != view.available:
        out.append(_event("store", orjson.dumps({"available": view.available})))
    for product_id, (tag, body) in view.products.items():
        if seen.products.get(product_id) != tag:
            out.append(_event("product", body))
    out.extend(
        _event("gone", orjson.dumps({"product_id": product_id})) for product_id in seen.products.keys() - view.products
    )
    out.extend(_event("alert", body) for alert_id, body in view.alerts.items() if seen.alerts.get(alert_id) != body)
    if out or view.read_at - seen.beat_at >= _BEAT_SECONDS:
        out.append(_event("beat", b"{}"))
        seen.beat_at = view.read_at
    seen.available = view.available
    seen.products = {product_id: tag for product_id, (tag, _) in view.products.items()}
    seen.alerts = view.alerts
    return b"".join(out)


def _event(name: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
