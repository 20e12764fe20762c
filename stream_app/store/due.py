"""Which products have a text or a publication due: sharded sorted sets, claimed by lease, so that a crash loses none.

A product that something arrived for stands in its shard's due set. A claim moves it to the leased set and only then
looks at its state, so it sees everything applied before; what is applied later enters the due set again. Who
finishes gives the lease back; a lease that ends unfinished makes the product due again. What is due is read from the
state alone (steps/due.py), so that whatever a process left undone, publishing included, is found by the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from stream_app.ports import DueProduct
from stream_app.records import changes_of
from stream_app.steps.due import (
    latest_due_at,
    publication_due_at,
    publication_waits_for_no_text,
    text_due_at,
    unless_clock_was_ahead,
)
from stream_app.steps.fold import ProductState
from stream_app.store import packing
from stream_app.store.keys import DUE_SHARDS, Keys, due_shard
from stream_app.store.scripts import CLAIM_DUE, NOTE_PUBLISHED, RELEASE_DUE
from stream_app.store.server import Command, Server

_LOOKS_AT_ONCE = 2000
_LEAST_PER_SHARD = 30


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often, at most, in ms, a product's text is made, and its counts alone are published.

    ``durable_ms``: after this time Redis no longer loses what it acknowledged.
    """

    text_ms: int
    publication_ms: int
    durable_ms: int


@dataclass(frozen=True, slots=True)
class _Lease:
    product_id: str
    ends_at_ms: int
    of_text: bool = False


class DueProducts:
    """The due products of one generation, as one process sees them: it knows its own leases."""

    def __init__(self, server: Server, keys: Keys, intervals: Intervals) -> None:
        self._server = server
        self._keys = keys
        self._intervals = intervals
        self._leases: dict[str, _Lease] = {}

    def entries(self, product_ids: Iterable[str], now_ms: int) -> list[Command]:
        """The commands that enter products; one that stands there keeps its time if that is earlier."""
        by_shard: dict[int, list[str | int]] = defaultdict(list)
        for product_id in product_ids:
            by_shard[due_shard(product_id)] += (now_ms, product_id)
        kept = "LT"  # guarantee: withdrawal-is-published-at-once
        return [("ZADD", self._keys.due(shard), kept, *members) for shard, members in by_shard.items()]

    async def claim(self, now_ms: int, texts: int, publications: int, lease_ms: int) -> list[DueProduct]:
        """See ports.SummaryStore. Four round trips, whatever there is to claim.

        What is looked at and not kept is put back: at its own time where that is still to come, else behind those that
        wait by now, so that a backlog of texts never hides a publication.
        """
        shards = await self._shards_with_work(now_ms, lease_ms)
        leases = await self._leased(shards, now_ms, now_ms + lease_ms)
        # from here on they can be given back
        self._leases |= {lease.product_id: lease for lease in leases}  # guarantee: lease-is-known-at-once
        kept: list[DueProduct] = []
        released: list[Command] = []
        for lease, state in zip(leases, await self._states([one.product_id for one in leases]), strict=True):
            text_at, publication_at = self._due_times_of(state, now_ms)
            text_is_due = text_at is not None and text_at <= now_ms
            # guarantee: words-that-went-wait-for-no-text
            publishes_first = publications > 0 and publication_waits_for_no_text(state)
            if text_is_due and texts and not publishes_first:
                texts -= 1
            # guarantee: text-backlog-hides-no-counts
            elif publication_at is not None and publication_at <= now_ms and publications:
                publications -= 1
                text_is_due = False
            else:
                due_at = _earlier(text_at, publication_at)
                again_at = None if due_at is None else max(due_at, now_ms)
                released.append(self._release(lease, again_at, done=due_at is None))
                continue
            self._leases[lease.product_id] = replace(lease, of_text=text_is_due)
            kept.append(DueProduct(lease.product_id, text_is_due))
        await self._server.run(released)
        for product_id in {lease.product_id for lease in leases} - {one.product_id for one in kept}:
            del self._leases[product_id]
        return kept

    async def finish(self, published: Mapping[str, int | None], now_ms: int) -> None:
        """See ports.SummaryStore. Two round trips.

        What is finished is looked at again when it is durable: a failover may lose a text, and in a cluster the due
        set, which another server holds, would not know.
        """
        held = await self._server.run(
            [
                NOTE_PUBLISHED.call(
                    (self._keys.product(product_id).state,),
                    ("" if version is None else changes_of(version), now_ms, *packing.DUE_FIELDS),
                )
                for product_id, version in published.items()
            ]
        )
        released = []
        for product_id, values in zip(published, held, strict=True):
            lease = self._leases.get(product_id)  # guarantee: lease-is-known-until-it-is-given-back
            if lease is not None:
                again_at = None
                if any(one is not None for one in values):  # else the server, or a rebuild, has dropped the product
                    due_at = _earlier(*self._due_times_of(packing.unpack_due_state(product_id, values), now_ms))
                    # guarantee: lost-text-is-made-again
                    again_at = _earlier(due_at, now_ms + self._intervals.durable_ms)
                released.append(self._release(lease, again_at, done=lease.of_text))
        await self._server.run(released)
        for product_id in published:
            self._leases.pop(product_id, None)  # not before: where Redis fails, this method is called again

    async def give_back(self, due_at_ms: int) -> None:
        """See ports.SummaryStore. One round trip."""
        leases = list(self._leases.values())
        self._leases.clear()
        # guarantee: stopped-process-gives-its-products-back
        await self._server.run([self._release(lease, due_at_ms, done=False) for lease in leases])

    async def unfinished(self, product_id: str) -> int:
        """How many claims before ours ended without being finished, one after the other."""
        [count] = await self._server.run([("HGET", self._keys.unfinished(due_shard(product_id)), product_id)])
        return int(count or 0)

    async def due_times(self, product_ids: Sequence[str], now_ms: int) -> list[int | None]:
        """When a text or a publication of each product is due, whichever is earlier; None: neither is."""
        return [_earlier(*self._due_times_of(state, now_ms)) for state in await self._states(product_ids)]

    def _due_times_of(self, state: ProductState, now_ms: int) -> tuple[int | None, int | None]:
        """When its text is to be made, and its summary to be published."""
        text_ms, publication_ms = self._intervals.text_ms, self._intervals.publication_ms
        return (
            unless_clock_was_ahead(text_due_at(state, text_ms), text_ms, now_ms),
            unless_clock_was_ahead(publication_due_at(state, publication_ms), publication_ms, now_ms),
        )

    async def _states(self, product_ids: Sequence[str]) -> list[ProductState]:
        values = await self._server.run(
            [("HMGET", self._keys.product(product_id).state, *packing.DUE_FIELDS) for product_id in product_ids]
        )
        return [
            packing.unpack_due_state(product_id, found) for product_id, found in zip(product_ids, values, strict=True)
        ]

    async def _shards_with_work(self, now_ms: int, lease_ms: int) -> list[int]:
        """The one that waits longest first."""
        ends = await self._server.run(
            [
                ("ZRANGE", key, at, at, "WITHSCORES")
                for shard in range(DUE_SHARDS)
                for key in (self._keys.due(shard), self._keys.leased(shard))
                for at in (0, -1)
            ]
        )
        # later ones are of a clock that was ahead
        latest_due, latest_lease = self._latest_due_at(now_ms), now_ms + 2 * lease_ms
        waiting = []
        for number, found in enumerate(ends):
            shard, is_last = number // 4, number % 2 == 1
            at_ms = float(found[1]) if found else None
            if at_ms is None:
                continue
            if is_last and at_ms > (latest_lease if number % 4 == 3 else latest_due):
                waiting.append((float(now_ms), shard))
            elif not is_last and at_ms <= now_ms:
                waiting.append((at_ms, shard))
        return list(dict.fromkeys(shard for _, shard in sorted(waiting)))

    async def _leased(self, shards: Sequence[int], now_ms: int, ends_at_ms: int) -> list[_Lease]:
        """As many of each shard as are looked at, those that wait longest."""
        latest = self._latest_due_at(now_ms)
        each = max(_LEAST_PER_SHARD, _LOOKS_AT_ONCE // max(len(shards), 1))
        found = await self._server.run(
            [CLAIM_DUE.call(self._of_shard(shard), (now_ms, each, ends_at_ms, latest)) for shard in shards]
        )
        return [_Lease(product_id.decode(), ends_at_ms) for of_one in found for product_id in of_one]

    def _latest_due_at(self, now_ms: int) -> int:
        held = self._intervals
        return latest_due_at(now_ms, held.text_ms, held.publication_ms, held.durable_ms)

    def _release(self, lease: _Lease, due_at: int | None, *, done: bool) -> Command:
        """``done``: nothing that may end a process is left to do; unfinished claims are counted from 0 again."""
        again = "" if due_at is None else due_at
        keys = self._of_shard(due_shard(lease.product_id))
        return RELEASE_DUE.call(keys, (lease.product_id, lease.ends_at_ms, again, int(done)))

    def _of_shard(self, shard: int) -> tuple[str, str, str]:
        return self._keys.due(shard), self._keys.leased(shard), self._keys.unfinished(shard)


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((at for at in (one, other) if at is not None), default=None)
