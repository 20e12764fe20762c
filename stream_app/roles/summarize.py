"""The role that applies enriched reviews to the view in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from stream_app import contract, telemetry
from stream_app.kafka.topics import Topics
from stream_app.ports import Acks, InFlightRecord, Publisher, SummaryStore
from stream_app.records import EnrichedReview, Message, Partition, Rejected
from stream_app.roles.delayed_acknowledgement import Batch, DelayedAcknowledgement
from stream_app.roles.record_errors import RecordErrors
from stream_app.settings import Settings

_FETCH_WAIT_MS = 250  # a page may lag that much behind a review; a poll costs as much as ten reviews


class Summarize:
    """ports.StreamRole. Steps:

    1. decoded; what cannot be read is finished with a dead letter
    2. applied, one pipeline per poll
    3. alerts waiting in the products' outboxes are published, and cleared after the broker's acknowledgement
    4. acknowledged when it is durable (see ``DelayedAcknowledgement``) and those alerts are delivered; should the
       process die before, the redelivered event, a duplicate now, returns its product's outbox again
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
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._publisher = publisher
        self._now_ms = now_ms
        self._fatal = fatal
        self._delayed: DelayedAcknowledgement[EnrichedReview] = DelayedAcknowledgement(
            settings, store, self._apply, fatal=fatal
        )
        self._clearing: set[asyncio.Task[None]] = set()
        self._record_errors = RecordErrors("summarize")

    # ---- ports.StreamRole

    async def start(self, acks: Acks) -> None:
        self._acks = acks
        await self._delayed.retry(self._store.check)  # guarantee: server-is-checked-at-the-start
        self._delayed.start(acks)

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        decoded = self._record_errors.attempt(
            in_flight_records,
            lambda some: [contract.decode_enriched(in_flight.record) for in_flight in some],
            in_flight_of=lambda in_flight: in_flight,
            reject=self._reject,
        )
        readable: list[InFlightRecord] = []
        reviews: list[EnrichedReview] = []
        for in_flight, review in decoded:
            if isinstance(review, Rejected):
                self._reject(in_flight, review)
            else:
                readable.append(in_flight)
                reviews.append(review)
        if readable:
            await self._delayed.add(readable, reviews)

    def _reject(self, in_flight: InFlightRecord, rejected: Rejected) -> None:
        telemetry.review_rejected(rejected.reason, *in_flight.record[:3])
        # guarantee: summarize-rejects
        self._acks.finish(in_flight, [contract.dead_letter_message(self._topics.dead_letter, rejected)])

    def has_room(self) -> bool:
        return self._delayed.has_room()

    def fetch_wait_ms(self) -> int:
        return _FETCH_WAIT_MS

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        self._delayed.drop(partitions)

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        return

    async def stop(self) -> None:
        self._delayed.stop()
        for task in self._clearing:
            task.cancel()
        await self._store.close()

    # ---- apply, publish outboxes

    async def _apply(self, batch: Batch[EnrichedReview]) -> None:
        """Apply a batch and publish what the outboxes hold. May be repeated."""
        applied = await self._record_errors.attempt_async(
            # as they are now: a rebalance during the apply takes some out of the batch
            list(zip(batch.in_flight_records, batch.values, strict=True)),
            lambda some: self._store.apply([review for _, review in some], self._now_ms()),
            in_flight_of=lambda item: item[0],
            reject=lambda item, rejected: self._give_up(batch, item[0], rejected),
        )
        telemetry.reviews_applied(sum(result.changed for _, result in applied), len(applied))
        # guarantee: rebalance-in-the-middle-of-an-apply
        outboxes = {review.product_id: result.outbox for (_, review), result in applied if result.outbox}
        for product_id, outbox in outboxes.items():
            messages = [Message(self._topics.alerts, product_id.encode(), value) for _, value in outbox]
            alert_ids = [alert_id for alert_id, _ in outbox]
            batch.holds += 1
            # guarantee: outbox-is-cleared-after-the-broker
            self._publisher.publish(messages, partial(self._delivered, batch, product_id, alert_ids))

    def _give_up(self, batch: Batch[EnrichedReview], in_flight: InFlightRecord, rejected: Rejected) -> None:
        if batch.leave_out(in_flight):
            self._reject(in_flight, rejected)

    def _delivered(self, batch: Batch[EnrichedReview], product_id: str, alert_ids: list[str]) -> None:
        batch.holds -= 1

        async def clear() -> None:
            await self._delayed.retry(lambda: self._store.clear_outbox(product_id, alert_ids))

        task = asyncio.create_task(clear())
        self._clearing.add(task)
        task.add_done_callback(self._cleared)

    def _cleared(self, task: asyncio.Task[None]) -> None:
        self._clearing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:  # guarantee: clearing-that-fails-is-told
            self._fatal(error)
