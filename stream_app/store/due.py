"""Which products' texts are due: sharded sorted sets, claimed by lease, so that a crash anywhere loses none.

A product that something arrived for stands in its shard's due set. A claim moves it to the leased set and only then
looks at its state, so it sees everything applied before; what is applied later enters the due set again. Whoever
finishes gives the lease back; a lease that ends unfinished makes the product due again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stream_app.steps.fold import cited_changed, text_due_at
from stream_app.store import packing
from stream_app.store.keys import DUE_SHARDS, Keys, due_shard
from stream_app.store.scripts import CLAIM_DUE, RELEASE_DUE
from stream_app.store.server import Command, Server

_CLAIM_AT_ONCE = 100
_DUE_AT_ONCE = 0
_NOT_DUE = None


@dataclass(frozen=True, slots=True)
class _Lease:
    product_id: str
    ends_at_ms: int


class DueProducts:
    """The due products of one generation, as one process sees them: it knows its own leases."""

    def __init__(self, server: Server, keys: Keys, min_interval_ms: int) -> None:
        self._server = server
        self._keys = keys
        self._min_interval_ms = min_interval_ms
        self._leases: dict[str, _Lease] = {}

    def entries(self, product_ids: Iterable[str], now_ms: int) -> list[Command]:
        """The commands that enter products; one that stands there keeps its time."""
        by_shard: dict[int, list[str | int]] = defaultdict(list)
        for product_id in product_ids:
            by_shard[due_shard(product_id)] += (now_ms, product_id)
        return [("ZADD", self._keys.due(shard), "NX", *members) for shard, members in by_shard.items()]

    async def claim(self, now_ms: int, limit: int, lease_ms: int) -> list[str]:
        """At most ``limit`` products whose text is due by the rule of fold.text_due_at; ours until the lease ends.

        Those that turn out not to be due, or not yet, are put back on the way.
        """
        claimed: list[str] = []
        for shard in await self._shards_with_work(now_ms):
            while len(claimed) < limit:
                looked_at = await self._claim_of_shard(shard, now_ms, now_ms + lease_ms)
                claimed += await self._keep_due(looked_at, now_ms, limit - len(claimed))
                if len(looked_at) < _CLAIM_AT_ONCE:
                    break
        return claimed

    async def finish(self, product_id: str, version: int) -> None:
        """Give our lease back: no longer due, unless the state has another version than this one."""
        lease = self._leases.pop(product_id, None)
        if lease is None:
            return
        [held] = await self._server.run([("HGET", self._keys.product(product_id).state, "version")])
        due_at = _NOT_DUE if int(held or 0) == version else _DUE_AT_ONCE
        await self._server.run([self._release(lease, due_at, done=True)])

    async def try_again(self, product_id: str) -> None:
        """Give our lease back with the product due when it would have ended; that we did not finish is not counted."""
        lease = self._leases.pop(product_id, None)
        if lease is not None:
            await self._server.run([self._release(lease, lease.ends_at_ms, done=True)])

    async def unfinished(self, product_id: str) -> int:
        """How many claims before ours ended without being finished, one after the other."""
        [count] = await self._server.run([("HGET", self._keys.unfinished(due_shard(product_id)), product_id)])
        return int(count or 0)

    async def due_times(self, product_ids: Sequence[str]) -> list[int | None]:
        """When each product's text is to be made, by the rule of fold.text_due_at; None: it needs none."""
        keys = [self._keys.product(product_id) for product_id in product_ids]
        values = await self._server.run([("HMGET", product.state, *packing.TEXT_FIELDS) for product in keys])
        states = [
            packing.unpack_state(product_id, {k: v for k, v in zip(packing.TEXT_FIELDS, found, strict=True) if v})
            for product_id, found in zip(product_ids, values, strict=True)
        ]
        citing = [(state, product) for state, product in zip(states, keys, strict=True) if state.cited]
        found = await self._server.run([("HMGET", product.reviews, *state.cited) for state, product in citing])
        changed = set()
        for (state, _), packed in zip(citing, found, strict=True):
            held = {
                review_id: packing.unpack_contribution(one)
                for review_id, one in zip(state.cited, packed, strict=True)
                if one
            }
            if cited_changed(state.cited, held):
                changed.add(state.product_id)
        return [text_due_at(state, state.product_id in changed, self._min_interval_ms) for state in states]

    async def _shards_with_work(self, now_ms: int) -> list[int]:
        """The one that waits longest first."""
        heads = await self._server.run(
            [
                ("ZRANGE", key, 0, 0, "WITHSCORES")
                for shard in range(DUE_SHARDS)
                for key in (self._keys.due(shard), self._keys.leased(shard))
            ]
        )
        waiting = [
            (float(head[1]), number // 2) for number, head in enumerate(heads) if head and float(head[1]) <= now_ms
        ]
        return list(dict.fromkeys(shard for _, shard in sorted(waiting)))

    async def _claim_of_shard(self, shard: int, now_ms: int, ends_at_ms: int) -> list[_Lease]:
        keys = self._of_shard(shard)
        [found] = await self._server.run([CLAIM_DUE.call(keys, (now_ms, _CLAIM_AT_ONCE, ends_at_ms))])
        return [_Lease(product_id.decode(), ends_at_ms) for product_id in found]

    async def _keep_due(self, leases: Sequence[_Lease], now_ms: int, limit: int) -> list[str]:
        """Of freshly claimed ones, keep those that are due, at most ``limit``; give the other leases back."""
        kept: list[str] = []
        released: list[Command] = []
        for lease, due_at in zip(leases, await self.due_times([one.product_id for one in leases]), strict=True):
            if due_at is None or due_at > now_ms or len(kept) == limit:
                released.append(self._release(lease, due_at, done=due_at is None))
            else:
                self._leases[lease.product_id] = lease
                kept.append(lease.product_id)
        await self._server.run(released)
        return kept

    def _release(self, lease: _Lease, due_at: int | None, *, done: bool) -> Command:
        again = "" if due_at is None else due_at
        keys = self._of_shard(due_shard(lease.product_id))
        return RELEASE_DUE.call(keys, (lease.product_id, lease.ends_at_ms, again, int(done)))

    def _of_shard(self, shard: int) -> tuple[str, str, str]:
        return self._keys.due(shard), self._keys.leased(shard), self._keys.unfinished(shard)
