"""Walks the known products in the order in which they changed last."""

from __future__ import annotations

from stream_app.store.keys import Keys
from stream_app.store.server import Server

_AT_ONCE = 500


async def changed_since(server: Server, keys: Keys, place: tuple[int, str], limit: int) -> list[tuple[int, str]]:
    """See ports.SummaryReader. Products that one poll changed have the same time: those up to ``place`` are read over,
    500 a round trip.
    """
    since_ms, product_id = place
    behind = since_ms, product_id.encode()
    found: list[tuple[int, bytes]] = []
    start = 0
    while len(found) < limit:
        command = ("ZRANGEBYSCORE", keys.products, since_ms, "+inf", "WITHSCORES", "LIMIT", start, _AT_ONCE)
        [reply] = await server.run([command])
        page = [(int(float(at)), one) for one, at in zip(reply[::2], reply[1::2], strict=True)]
        found += [one for one in page if one > behind]
        start += len(page)
        if len(page) < _AT_ONCE:
            break
    return [(at, one.decode()) for at, one in found[:limit]]
