"""ports.SummaryStore of a generation that is being built: the same fold, without work for `describe` that is done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from stream_app.ports import Applied, Judged
from stream_app.records import Alert, EnrichedReview, ProductSummary, ProductText
from stream_app.steps.product_alerts import Policy
from stream_app.steps.product_summary import tally_of
from stream_app.steps.quoted import still_quotes
from stream_app.steps.raised_alerts import RaisedEpisodes
from stream_app.store import alert_packing, packing
from stream_app.store.keys import Keys
from stream_app.store.scripts import NOTE_RESTORED
from stream_app.store.server import Command
from stream_app.store.summaries import (
    RedisSummaryStore,
    applied_of,
    apply_command,
    write_text_command,
)
from stream_app.store.theme_packing import unpack_themes

_PRODUCTS_AT_ONCE = 500


class ReplayStore(RedisSummaryStore):
    """Fills a generation from the log, and brings back what the log of reviews does not hold.

    Every call may be made again, in any order with others: what is there already stays.
    """

    async def apply(self, reviews: Sequence[EnrichedReview], now_ms: int) -> list[Applied]:
        """Applied as usual, but no product becomes due (``enter_due`` finds those that are), and the time when
        something of a product arrived last is that of its enrichment, not of this replay.

        No alert is raised, and none is handed out: what an earlier run left in an outbox waits for `summarize`.
        """
        replies = await self._server.run([apply_command(self._keys, review) for review in reviews])
        arrived: dict[str, int] = {}
        for review in reviews:
            arrived[review.product_id] = max(review.enriched_at_ms, arrived.get(review.product_id, 0))
        if arrived:
            known = [part for product_id, at_ms in arrived.items() for part in (at_ms, product_id)]
            await self._server.run([("ZADD", self._keys.products, "GT", *known)])
        return [Applied(applied_of(reply).changed) for reply in replies]

    async def judge(
        self,
        reviews: Sequence[EnrichedReview],
        now_ms: int,
        *,
        false_alarms: float,
        max_age_ms: int,
        encode: Callable[[Alert], bytes],
        published: Sequence[Alert] = (),
    ) -> list[Judged]:
        """Nothing yet: ``note_episodes`` does it once, when everything is applied."""
        return []

    async def note_episodes(
        self, raised_episodes: RaisedEpisodes, false_alarms: float, now_ms: int
    ) -> AsyncIterator[tuple[int, int]]:
        """Note which episodes of each product go on, without alerts.

        ``raised_episodes``: what the view before raised of them. Yields (products looked at, of these noted).
        """
        async for page in self._pages():
            product_ids = [product_id.decode() for product_id in page]
            yield len(product_ids), await self.note_episodes_of(product_ids, raised_episodes, false_alarms, now_ms)

    async def note_episodes_of(
        self, product_ids: Sequence[str], raised_episodes: RaisedEpisodes, false_alarms: float, now_ms: int
    ) -> int:
        """The same of these products; returns of how many something was noted."""
        policy = Policy(false_alarms, max_age_ms=0, is_rebuild=True)
        polled: dict[str, tuple[int, ...]] = dict.fromkeys(product_ids, ())
        judged = await self._episodes.judge_products(polled, policy, lambda _: b"", now_ms, raised_episodes)
        return len({one.product_id for one in judged})

    async def judge_rest(
        self,
        reviews: Sequence[EnrichedReview],
        raised_episodes: RaisedEpisodes,
        now_ms: int,
        *,
        false_alarms: float,
        max_age_ms: int,
        encode: Callable[[Alert], bytes],
    ) -> list[Judged]:
        """Like ``judge``, of reviews that were applied here, and that the view before did not finish."""
        policy = Policy(false_alarms, max_age_ms)
        return await self._episodes.judge(reviews, policy, encode, now_ms, raised_episodes)

    async def outboxes(self, product_ids: Sequence[str]) -> dict[str, tuple[tuple[str, bytes], ...]]:
        """What the outboxes of these products hold: (alert_id, alert), oldest first; without those that are empty."""
        held = await self._server.run([("HGETALL", self._keys.product(one).outbox) for one in product_ids])
        unpacked = (alert_packing.unpack_outbox([part for pair in fields.items() for part in pair]) for fields in held)
        return {product_id: outbox for product_id, outbox in zip(product_ids, unpacked, strict=True) if outbox}

    async def forget_acknowledgements(self) -> None:
        """Forget those of alerts that this generation does not have: retention or an erasure took them from the topic.
        An alert that is raised again under that id is a new one.
        """
        namespace = self._keys.namespace
        [alert_ids] = await self._server.run([("HKEYS", namespace.acknowledged)])
        [held] = await self._server.run([("HMGET", self._keys.alerts, "", *alert_ids)])  # "": HMGET wants one at least
        gone = [alert_id for alert_id, alert in zip(alert_ids, held[1:], strict=True) if alert is None]
        if gone:
            await self._server.run(
                [
                    ("HDEL", namespace.acknowledged, *gone),  # guarantee: acknowledgement-goes-with-its-alert
                    ("ZREM", namespace.newly_acknowledged, *gone),
                ]
            )

    async def restore_texts(self, published: Sequence[ProductSummary]) -> int:
        """Write the texts of these summaries back where they still hold; returns how many were written.

        A text is a sentence of each review that it cites, one after the other. It holds if these reviews, as this
        generation has them now, have these sentences; their revisions are then the ones that it rests on. Any other
        text may rest on what was edited or deleted since: its product stays without, and is due. Reviews since the text
        are those that were published with it, and those that came after that.

        Its highlights are those of the generation that published it, without reviews that changed. Where Redis has lost
        that generation there are none, which makes the text due.
        """
        newest = {one.product_id: one for one in published if one.text is not None}
        keys = {product_id: self._keys.product(product_id) for product_id in newest}
        held = await self._server.run([("HGET", keys[one].state, "text") for one in newest])
        sentences = await self._server.run(
            # a field that no review has: HMGET wants one at least
            [("HMGET", keys[one].sentences, "", *_cited(newest[one])) for one in newest]
        )
        highlights = await self._server.run([self._highlights_of(summary) for summary in newest.values()])
        commands: list[Command] = []
        for (product_id, summary), text, found, packed in zip(newest.items(), held, sentences, highlights, strict=True):
            assert summary.text is not None
            revisions = _rests_on(summary.text, found[1:])
            is_newer = text is None or packing.unpack_text(text).made_at_ms < summary.text.made_at_ms
            if revisions is not None and is_newer:
                then = tally_of(summary.windows["all"])
                themes = unpack_themes(packed) if packed else None
                since = summary.reviews_since_text or 0
                commands.append(
                    write_text_command(self._keys, product_id, summary.text, revisions, themes, then, since_then=since)
                )
        written = await self._server.run(commands)
        last = {one.product_id: one for one in published}.values()
        await self._server.run([self._note_published(summary) for summary in last])
        return written.count(1)

    def _highlights_of(self, summary: ProductSummary) -> Command:
        published_by = Keys(self._keys.namespace, summary.generation)
        return "HGET", published_by.product(summary.product_id).state, "highlights"

    def _note_published(self, summary: ProductSummary) -> Command:
        """A product whose last published summary equals this generation's need not be published again; any other is
        published at once, also without reviews, unless the log does not know it. One from before aspects were counted,
        or before digests, equals none.
        """
        made_at = "" if summary.text is None else summary.text.made_at_ms
        is_older = summary.aspects is None or summary.digest is None
        totals = "" if is_older else packing.pack_integers(tally_of(summary.windows["all"]))
        arguments = (totals, made_at, summary.as_of_ms)
        return NOTE_RESTORED.call((self._keys.product(summary.product_id).state,), arguments)

    async def count_products(self) -> int:
        """How many products this generation knows."""
        [count] = await self._server.run([("ZCARD", self._keys.products)])
        return int(count)

    async def count_reviews(self) -> int:
        """How many standing reviews this generation holds of all products: read product by product."""
        seen: set[bytes] = set()  # a page may name a product again
        reviews = 0
        async for page in self._pages():
            new = set(page) - seen
            seen |= new
            totals = await self._server.run(
                [("HGET", self._keys.product(product_id.decode()).state, "totals") for product_id in new]
            )
            reviews += sum(packing.reviews_in(packed) for packed in totals if packed)
        return reviews

    async def enter_due(self, now_ms: int) -> AsyncIterator[tuple[int, int]]:
        """Enter every product of which something is due, or will be; yields (products looked at, of these entered)."""
        async for page in self._pages():
            product_ids = [product_id.decode() for product_id in page]
            due_at = await self._due.due_times(product_ids, now_ms)
            due = [product_id for product_id, at in zip(product_ids, due_at, strict=True) if at is not None]
            await self._server.run(self._due.entries(due, now_ms))
            yield len(product_ids), len(due)

    async def _pages(self) -> AsyncIterator[list[bytes]]:
        """Yield the products that this generation knows, some at a time."""
        cursor = 0
        while True:
            [(cursor, page)] = await self._server.run(
                [("ZSCAN", self._keys.products, cursor, "COUNT", _PRODUCTS_AT_ONCE)]
            )
            yield [product_id for product_id, _ in page]
            if not cursor:
                return


def _cited(summary: ProductSummary) -> tuple[str, ...]:
    return summary.text.evidence if summary.text else ()


def _rests_on(text: ProductText, sentences: Sequence[Any]) -> Mapping[str, int] | None:
    """The revision of each review that the text cites; None where their sentences no longer make this text."""
    if not all(sentences):
        return None
    evidence = [packing.unpack_evidence(packed) for packed in sentences]
    if not still_quotes(text, evidence):
        return None
    return {item.review_id: item.revision for item in evidence}
