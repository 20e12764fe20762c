"""The role that applies enriched reviews to the view in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from stream_app import contract, telemetry
from stream_app.ports import Publisher, SummaryStore
from stream_app.records import EnrichedReview, Message, RawRecord, Rejected
from stream_app.roles.delayed_acknowledgement import Batch
from stream_app.roles.view_role import ViewRole
from stream_app.settings import RedisSettings

_FETCH_WAIT_MS = 250  # a page may lag that much behind a review; a poll costs as much as ten reviews


class Summarize(ViewRole[EnrichedReview]):
    """ports.StreamRole. Steps:

    1. decoded; what cannot be read is finished with a dead letter
    2. applied, one pipeline per poll
    3. alerts waiting in the products' outboxes are published, and cleared after the broker's acknowledgement
    4. acknowledged when it is durable (see ``DelayedAcknowledgement``) and those alerts are delivered; should the
       process die before, the redelivered event, a duplicate now, returns its product's outbox again
    """

    def __init__(
        self,
        settings: RedisSettings,
        store: SummaryStore,
        publisher: Publisher,
        *,
        now_ms: Callable[[], int],
        fatal: Callable[[BaseException], None],
    ) -> None:
        super().__init__("summarize", settings, store, fatal=fatal)
        self._publisher = publisher
        self._now_ms = now_ms
        self._fatal = fatal
        self._clearing: set[asyncio.Task[None]] = set()

    def fetch_wait_ms(self) -> int:
        return _FETCH_WAIT_MS

    async def stop(self) -> None:
        for task in self._clearing:
            task.cancel()
        await super().stop()

    def _decode(self, record: RawRecord) -> EnrichedReview | Rejected:
        return contract.decode_enriched(record)

    async def _write(self, batch: Batch[EnrichedReview]) -> None:
        """Apply a batch and publish what the outboxes hold. May be repeated."""
        applied = await self._attempt(batch, lambda reviews: self._store.apply(reviews, self._now_ms()))
        telemetry.reviews_applied(sum(result.changed for _, result in applied), len(applied))
        # guarantee: rebalance-in-the-middle-of-an-apply
        outboxes = {review.product_id: result.outbox for (_, review), result in applied if result.outbox}
        for product_id, outbox in outboxes.items():
            messages = [Message(self._topics.alerts, product_id.encode(), value) for _, value in outbox]
            alert_ids = [alert_id for alert_id, _ in outbox]
            batch.holds += 1
            # guarantee: outbox-is-cleared-after-the-broker
            self._publisher.publish(messages, partial(self._delivered, batch, product_id, alert_ids))

    def _delivered(self, batch: Batch[EnrichedReview], product_id: str, alert_ids: list[str]) -> None:
        batch.holds -= 1

        async def clear() -> None:
            await self._delayed.retry(lambda: self._store.clear_outbox(product_id, alert_ids))

        task = asyncio.create_task(clear())
        self._clearing.add(task)
        task.add_done_callback(self._cleared)

    def _cleared(self, task: asyncio.Task[None]) -> None:
        self._clearing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:  # guarantee: failed-clearing-is-fatal
            self._fatal(error)
