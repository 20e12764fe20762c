"""The role that folds enriched reviews into the view in Redis, and acknowledges only what Redis will not forget."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from stream_app import contract, telemetry
from stream_app.kafka.topics import Topics
from stream_app.ports import Acks, Applied, Publisher, Slot, SummaryStore
from stream_app.records import EnrichedReview, Message, Partition, Rejected
from stream_app.roles.patience import Patience
from stream_app.settings import Settings

_SETTLE_EVERY_SECONDS = 0.25
_MAX_UNSETTLED_BYTES = 64 * 2**20


@dataclass(slots=True)
class _Unsettled:
    """Events applied in one call, kept until the server has certainly written them down."""

    applied_at: float  # time.monotonic()
    incarnation: str
    slots: list[Slot]
    reviews: list[EnrichedReview]
    size_bytes: int
    unpublished: int = 0  # publications of its products' outboxes that the broker has not acknowledged

    def is_settled(self, applied_before: float) -> bool:
        return 0 < self.applied_at <= applied_before and not self.unpublished


class Summarize:
    """ports.StreamRole. Order of things:

    1. decoded; what cannot be read is finished with a dead letter
    2. applied, one pipeline per poll (``Unavailable``: retried until patience is spent)
    3. alerts waiting in the products' outboxes are published, and cleared after the broker's acknowledgement
    4. after ``redis_settle_seconds``, if those alerts are acknowledged and the server is still the same one, finished
       (committed). Were a crash to come before, the redelivered event, a duplicate now, returns its outbox again
       if another one answers, everything unsettled is applied again, and waits again
    """

    def __init__(
        self,
        settings: Settings,
        store: SummaryStore,
        publisher: Publisher,
        *,
        now_ms: Callable[[], int],
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._patiently = Patience("redis", settings.redis_patience_seconds)
        self._publisher = publisher
        self._now_ms = now_ms
        self._fatal = fatal
        self._unsettled: deque[_Unsettled] = deque()
        self._unsettled_bytes = 0
        self._clearing: set[asyncio.Task[None]] = set()

    # ---- ports.StreamRole

    async def start(self, acks: Acks) -> None:
        self._acks = acks
        await self._patiently(self._store.check)
        self._settling = asyncio.create_task(self._settle_for_ever(), name="settle")

    async def take(self, slots: list[Slot]) -> None:
        readable: list[Slot] = []
        reviews: list[EnrichedReview] = []
        for slot in slots:
            review = contract.decode_enriched(slot.record)
            if isinstance(review, Rejected):
                telemetry.review_rejected(review.reason, *slot.record[:3])
                self._acks.finish(slot, [contract.dead_letter_message(self._topics.dead_letter, review)])
            else:
                readable.append(slot)
                reviews.append(review)
        if readable:
            batch = _Unsettled(0.0, "", readable, reviews, sum(len(slot.record.value or b"") for slot in readable))
            self._unsettled.append(batch)
            self._unsettled_bytes += batch.size_bytes
            await self._apply(batch)

    def has_room(self) -> bool:
        return self._unsettled_bytes < _MAX_UNSETTLED_BYTES

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        """What is unsettled is applied again by the partition's next owner, which changes nothing there."""
        for batch in self._unsettled:
            kept = [i for i, slot in enumerate(batch.slots) if slot.partition not in partitions]
            batch.slots = [batch.slots[i] for i in kept]
            batch.reviews = [batch.reviews[i] for i in kept]

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        return

    async def stop(self) -> None:
        self._settling.cancel()
        for task in self._clearing:
            task.cancel()
        await self._store.close()

    # ---- apply, settle

    async def _apply(self, batch: _Unsettled) -> None:
        """Apply a batch and publish what the outboxes hold. May be repeated at will."""
        reviews = batch.reviews  # as they are now: a rebalance during a retry takes some out of the batch

        async def call() -> tuple[str, list[Applied]]:
            incarnation = await self._store.incarnation()  # before the apply: a restart in between is noticed
            return incarnation, await self._store.apply(reviews, self._now_ms())

        batch.incarnation, results = await self._patiently(call)
        batch.applied_at = time.monotonic()
        telemetry.reviews_applied(sum(result.changed for result in results), len(results))
        self._publish_outboxes(batch, reviews, results)

    def _publish_outboxes(
        self, batch: _Unsettled, reviews: Sequence[EnrichedReview], results: Sequence[Applied]
    ) -> None:
        outboxes = {
            review.product_id: result.outbox for review, result in zip(reviews, results, strict=True) if result.outbox
        }
        for product_id, outbox in outboxes.items():
            messages = [Message(self._topics.alerts, product_id.encode(), value) for _, value in outbox]
            alert_ids = [alert_id for alert_id, _ in outbox]
            batch.unpublished += 1
            self._publisher.publish(messages, partial(self._clear, batch, product_id, alert_ids))

    def _clear(self, batch: _Unsettled, product_id: str, alert_ids: list[str]) -> None:
        batch.unpublished -= 1

        async def clear() -> None:
            await self._patiently(lambda: self._store.clear_outbox(product_id, alert_ids))

        task = asyncio.create_task(clear())
        self._clearing.add(task)
        task.add_done_callback(self._cleared)

    def _cleared(self, task: asyncio.Task[None]) -> None:
        self._clearing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal(error)

    async def _settle_for_ever(self) -> None:
        try:
            while True:
                await asyncio.sleep(_SETTLE_EVERY_SECONDS)
                await self._settle()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fatal(error)
            raise

    async def _settle(self) -> None:
        """Finish what was applied long ago by a server that is still there; if it is not, apply all again."""
        before = time.monotonic() - self._settings.redis_settle_seconds
        if not self._unsettled or not self._unsettled[0].is_settled(before):
            return
        incarnation = await self._patiently(self._store.incarnation)
        if any(batch.applied_at and batch.incarnation != incarnation for batch in self._unsettled):
            telemetry.store_was_replaced(sum(len(batch.slots) for batch in self._unsettled))
            for batch in list(self._unsettled):
                if batch.applied_at and batch.incarnation != incarnation:
                    await self._apply(batch)
            return
        while self._unsettled and self._unsettled[0].is_settled(before):
            batch = self._unsettled.popleft()
            self._unsettled_bytes -= batch.size_bytes
            for slot in batch.slots:
                self._acks.finish(slot, [])
