"""The role that applies enriched reviews to the view in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from stream_app import contract, telemetry
from stream_app.ports import Applied, InFlightRecord, Publisher, SummaryStore
from stream_app.records import Alert, EnrichedReview, Message, RawRecord, Rejected
from stream_app.roles.delayed_acknowledgement import Batch
from stream_app.roles.view_role import ViewRole
from stream_app.settings import SummarizeSettings

_FETCH_WAIT_MS = 250  # a page may lag that much behind a review; a poll costs as much as ten reviews


Outbox = tuple[tuple[str, bytes], ...]
"""(alert_id, alert.v1 as JSON)."""


class Summarize(ViewRole[EnrichedReview]):
    """ports.StreamRole. Steps:

    1. decoded; what cannot be read is finished with a dead letter
    2. applied, one pipeline per poll; how far each partition is applied is noted behind it
    3. the products are judged by their state, those of duplicates too; what is found is noted, with its alert in the
       product's outbox
    4. alerts waiting in the products' outboxes are published, and cleared after the broker's acknowledgement
    5. acknowledged when it is durable (see ``DelayedAcknowledgement``) and those alerts are delivered; should the
       process die before, the redelivered event, a duplicate now, has its product judged and returns its outbox again
    """

    def __init__(
        self,
        settings: SummarizeSettings,
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
        self._judges = settings.product_alerts
        self._false_alarms = settings.spike_false_alarms_of_a_rule
        self._max_age_ms = settings.alert_max_age_ms
        self._clearing: set[asyncio.Task[None]] = set()
        self._sent: dict[tuple[str, bytes], list[Batch[EnrichedReview]] | None] = {}
        self._cleared_entries: list[tuple[str, bytes]] = []

    def fetch_wait_ms(self) -> int:
        return _FETCH_WAIT_MS

    async def stop(self) -> None:
        for task in self._clearing:
            task.cancel()
        await super().stop()

    def _decode(self, record: RawRecord) -> EnrichedReview | Rejected:
        return contract.decode_enriched(record)

    async def _check(self) -> None:
        """A view that went back while no review comes is found too, also where another worker found it."""
        await super()._check()
        await self._store.server_identity()  # guarantee: disowned-view-is-looked-for
        acknowledged = self._delayed.acknowledged
        await self._store.note_progress(acknowledged, acknowledged)  # guarantee: older-view-is-looked-for

    async def _write_again(self, batches: Sequence[Batch[EnrichedReview]]) -> None:
        """All are applied before any product is judged: of half of its reviews something else would be said. Episodes
        whose alert is out are known, also where the server forgot them, and do not alarm by another name.
        """
        for batch in batches:
            await self._applied(batch)  # guarantee: applied-before-it-is-judged
        published = [alert for batch in batches for value in batch.delivered if (alert := _alert_of(value)) is not None]
        for batch in batches:
            await self._write(batch, published)  # guarantee: forgotten-episode-does-not-alarm-again

    async def _write(self, batch: Batch[EnrichedReview], published: Sequence[Alert] = ()) -> None:
        """Apply a batch and publish what the outboxes hold. May be repeated."""
        while self._cleared_entries:  # not when they are: what this reads of an outbox may be older by then
            del self._sent[self._cleared_entries.pop()]
        applied = await self._applied(batch)
        await self._store.note_progress(batch.reached, self._delayed.acknowledged)  # guarantee: progress-is-noted
        telemetry.reviews_applied(sum(result.changed for _, result in applied), len(applied))
        # guarantee: rebalance-in-the-middle-of-an-apply
        outboxes = {review.product_id: result.outbox for (_, review), result in applied if result.outbox}
        if self._judges:
            # guarantee: duplicates-are-judged-too
            outboxes |= await self._judged([review for (_, review), _ in applied], published)
        for product_id, outbox in outboxes.items():
            if new := tuple(entry for entry in outbox if self._is_new(batch, product_id, entry[1])):
                messages = [outbox_message(self._topics.alerts, product_id, value) for _, value in new]
                # guarantee: outbox-is-cleared-after-the-broker
                self._publisher.publish(messages, partial(self._delivered, product_id, new))

    def _is_new(self, batch: Batch[EnrichedReview], product_id: str, value: bytes) -> bool:
        """Is this alert in the outbox not sent yet? The batch is held until the broker has it.

        An outbox is cleared after that: further reviews of the product find what was sent for others in it.
        """
        entry = product_id, value
        if entry not in self._sent:  # guarantee: alert-under-way-is-not-sent-again
            batch.holds += 1
            self._sent[entry] = [batch]
            return True
        if (waiting := self._sent[entry]) is None:
            batch.delivered.append(value)
        else:
            batch.holds += 1  # guarantee: alert-under-way-holds-every-batch
            waiting.append(batch)
        return False

    async def _applied(
        self, batch: Batch[EnrichedReview]
    ) -> list[tuple[tuple[InFlightRecord, EnrichedReview], Applied]]:
        return await self._attempt(batch, lambda reviews: self._store.apply(reviews, self._now_ms()))

    async def _judged(self, reviews: Sequence[EnrichedReview], published: Sequence[Alert]) -> dict[str, Outbox]:
        """What the outboxes hold of the products of which something was found."""
        found = await self._store.judge(
            reviews,
            self._now_ms(),
            false_alarms=self._false_alarms,
            max_age_ms=self._max_age_ms,
            encode=contract.encode_alert,
            published=published,
        )
        for one in found:
            for alert in one.raised:
                telemetry.alert_raised(alert.rule, alert.severity)
            for rule, reason in one.suppressed:
                telemetry.alert_suppressed(rule, reason)
        return {one.product_id: one.outbox for one in found if one.outbox}

    def _delivered(self, product_id: str, outbox: Outbox) -> None:
        for _, value in outbox:
            for batch in self._sent[product_id, value] or ():
                batch.holds -= 1
                batch.delivered.append(value)
            self._sent[product_id, value] = None
        alert_ids = [alert_id for alert_id, _ in outbox]

        async def clear() -> None:
            await self._delayed.retry(lambda: self._store.clear_outbox(product_id, alert_ids))
            # guarantee: cleared-outbox-may-have-been-read-before
            self._cleared_entries += [(product_id, value) for _, value in outbox]

        task = asyncio.create_task(clear())
        self._clearing.add(task)
        task.add_done_callback(self._cleared)

    def _cleared(self, task: asyncio.Task[None]) -> None:
        self._clearing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:  # guarantee: failed-clearing-is-fatal
            self._fatal(error)


def _alert_of(value: bytes) -> Alert | None:
    """What an outbox holds; None where another version left what is none for us."""
    alert = contract.decode_alert(RawRecord("", 0, 0, 0, None, value))
    return None if isinstance(alert, Rejected) else alert


def outbox_message(topic: str, product_id: str, value: bytes) -> Message:
    """What an outbox holds, with the headers of an alert; without, where another version left what is none for us."""
    key = product_id.encode()
    alert = _alert_of(value)
    headers = () if alert is None else contract.alert_message(topic, alert).headers
    return Message(topic, key, value, headers)
