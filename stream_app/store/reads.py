"""Look-ups of summaries, cheap under load: those asked for at the same time share one round trip, a product that has
not changed since it was read last is not read and summed again, and one that Redis was asked about a moment ago is not
asked about again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.records import Evidence, ProductSummary
from stream_app.steps import product_summary
from stream_app.store import packing
from stream_app.store.keys import Keys
from stream_app.store.server import Command, Server
from stream_app.store.windows import day_tallies, window_tallies

_HOUR_MS = 3_600_000
SUMMARIES_KEPT = 4096  # up to 28 KB each
_SENTENCES_KEPT_OF = 128  # products, those read last: up to 64 of 3 KB each

# the fields of a state that change with everything in a summary; the totals and the newest review are here for
# a server that forgot its last moments: it gives their version numbers again
_STATE_FIELDS = ("version", "texts", "totals", "newest", "text")


class SummaryReads:
    """Summaries of one generation, for one event loop."""

    def __init__(self, server: Server, keys: Keys, flag_url: str = "", reuse_seconds: float = 0.0) -> None:
        """``flag_url``: the setting of that name. ``reuse_seconds``: how old a summary may be that is returned without
        asking Redis; its ``as_of`` is when Redis was asked. 0: each look-up asks.
        """
        # a cluster's nodes fail one by one: a trip to all of them would make one node's failure everyone's
        self._gathered = None if server.is_cluster else _Gathered(server)
        self._run = server.run if self._gathered is None else self._gathered.run
        self._keys = keys
        self._flag_url = flag_url
        self._reuse_seconds = reuse_seconds
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._sentences: OrderedDict[str, dict[bytes, Evidence]] = OrderedDict()

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        """As of ports.SummaryReader. A product that changed costs a second round trip."""
        asked_at = time.monotonic()
        kept = {product_id: self._kept_of(product_id, now_ms) for product_id in product_ids}
        summaries: dict[str, ProductSummary | None] = {
            product_id: one.summary for product_id, one in kept.items() if one and self._is_recent(one, asked_at)
        }
        asked = [product_id for product_id in kept if product_id not in summaries]
        commands = [self._whole(one) if kept[one] is None else self._state_fields(one) for one in asked]
        replies = iter(await self._run([*chain.from_iterable(commands)]) if asked else [])
        changed = []
        for product_id in asked:
            one = kept[product_id]
            if one is None:
                reply = next(replies), next(replies)
                summaries[product_id] = self._summed(product_id, *reply, now_ms, asked_at)
            elif next(replies) != one.state:
                changed.append(product_id)
            else:
                if asked_at > one.asked_at:  # on a cluster a later look-up may have its answer first
                    one.summary, one.asked_at = replace(one.summary, as_of_ms=now_ms), asked_at
                summaries[product_id] = one.summary
        replies = iter(await self._run([*chain.from_iterable(map(self._whole, changed))]) if changed else [])
        for product_id in changed:
            summaries[product_id] = self._summed(product_id, next(replies), next(replies), now_ms, asked_at)
        return [summaries[product_id] for product_id in product_ids]

    def close(self) -> None:
        """Cancel requests in progress."""
        if self._gathered is not None:
            self._gathered.close()

    def _whole(self, product_id: str) -> tuple[Command, Command]:
        """The sentences last: what is applied in between makes them newer than the counts, so no quote is outdated."""
        keys = self._keys.product(product_id)
        return ("HGETALL", keys.state), ("HVALS", keys.sentences)

    def _state_fields(self, product_id: str) -> tuple[Command]:
        return (("HMGET", self._keys.product(product_id).state, *_STATE_FIELDS),)

    def _kept_of(self, product_id: str, now_ms: int) -> _Kept | None:
        """The cached summary; None where another hour has entered the product's windows."""
        one = self._kept.get(product_id)
        if one is None or one.hour != now_ms // _HOUR_MS:
            return None
        self._kept.move_to_end(product_id)
        return one

    def _is_recent(self, one: _Kept, asked_at: float) -> bool:
        """Was Redis asked about it so lately that a look-up of ``asked_at`` need not ask?"""
        return one.asked_at > asked_at - self._reuse_seconds  # guarantee: what-is-reused-is-recent

    def _summed(
        self, product_id: str, fields: Mapping[bytes, bytes], sentences: Sequence[bytes], now_ms: int, asked_at: float
    ) -> ProductSummary | None:
        """The product as Redis has it. Look-ups at the same time sum it once."""
        one = self._kept_of(product_id, now_ms)
        if one is not None and self._is_recent(one, asked_at):
            return one.summary
        return self._keep(product_id, fields, sentences, now_ms, asked_at)

    def _unpacked(self, product_id: str, sentences: Sequence[bytes]) -> Collection[Evidence]:
        """With a review one or two of them change; the others were unpacked before. Words that are gone go here."""
        before = self._sentences.pop(product_id, {})
        now = {packed: before.get(packed) or packing.unpack_evidence(packed) for packed in sentences}
        self._sentences[product_id] = now
        if len(self._sentences) > _SENTENCES_KEPT_OF:
            self._sentences.popitem(last=False)
        return now.values()

    def _keep(
        self, product_id: str, fields: Mapping[bytes, bytes], sentences: Sequence[bytes], now_ms: int, asked_at: float
    ) -> ProductSummary | None:
        """The product as product_summary.summarize returns it, without an object per hour. None: unknown."""
        if not fields:
            self._kept.pop(product_id, None)
            self._sentences.pop(product_id, None)
            return None
        days, others = packing.split_days(fields)
        state = packing.unpack_state(product_id, others)
        state.sentences = {one.review_id: one for one in self._unpacked(product_id, sentences)}
        windows = window_tallies(days, now_ms)
        summary = product_summary.summary_of(
            state, now_ms, windows, day_tallies(days), self._keys.generation, self._flag_url
        )
        state_fields = [fields.get(name.encode()) for name in _STATE_FIELDS]
        self._kept[product_id] = _Kept(state_fields, now_ms // _HOUR_MS, summary, asked_at)
        self._kept.move_to_end(product_id)
        if len(self._kept) > SUMMARIES_KEPT:
            self._kept.popitem(last=False)
        return summary


@dataclass(slots=True)
class _Kept:
    """A summary as of some time in ``hour`` (since 1970, UTC), the fields that show its state then, and when Redis was
    last asked (``time.monotonic``).
    """

    state: list[bytes | None]
    hour: int
    summary: ProductSummary
    asked_at: float


class _Asked(NamedTuple):
    commands: Sequence[Command]
    answer: asyncio.Future[list[Any]]


class _Gathered:
    """Sends the commands that arrive during a round trip together in the next one, as one pipeline."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._waiting: list[_Asked] = []
        self._sending: asyncio.Task[None] | None = None

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """As Server.run."""
        if not commands:
            return []
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(commands, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name="gathered look-ups")
        try:
            return await answer
        finally:
            del answer  # an error's traceback would hold what holds the error

    def close(self) -> None:
        """Cancel what waits."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send_all(self) -> None:
        together: list[_Asked] = []
        try:
            while self._waiting:
                together, self._waiting = self._waiting, []
                try:
                    await self._send(together)
                except (StoreUnavailable, ConfigurationError) as error:
                    # those that came meanwhile would wait as long again, for the same error
                    _fail([*together, *self._waiting], error)
                    self._waiting = []
                except Exception:  # noqa: BLE001 - a key of one caller that is broken is not the others' error
                    await self._send_one_by_one(together)
        finally:
            self._sending = None
            for one in (*together, *self._waiting):
                one.answer.cancel()  # of those without an answer: we were cancelled

    async def _send_one_by_one(self, together: Sequence[_Asked]) -> None:
        for one in together:
            try:
                await self._send([one])
            except Exception as error:  # noqa: BLE001 - raised where it was asked
                _fail([one], error)

    async def _send(self, together: Sequence[_Asked]) -> None:
        replies = iter(await self._server.run([command for commands, _ in together for command in commands]))
        for commands, answer in together:
            own = [next(replies) for _ in commands]
            if not answer.done():  # its caller may have given up
                answer.set_result(own)


def _fail(together: Sequence[_Asked], error: Exception) -> None:
    for _, answer in together:
        if not answer.done():
            answer.set_exception(error)
