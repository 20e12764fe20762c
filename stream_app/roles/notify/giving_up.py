"""Sends alerts that cannot be delivered to the dead letter topic."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from stream_app import contract, telemetry
from stream_app.delivery.queue import DeliveryQueue
from stream_app.kafka.topics import Topics
from stream_app.ports import Publisher, SummaryStore
from stream_app.records import Alert, Position, RawRecord, Rejected
from stream_app.retry import Retry
from stream_app.steps.delivery_queue import MAX_WAITING, QueueStatus, Unreadable, Waiting, believed_until_ms

PATIENCE_MS = 24 * 3_600_000
"""How long an alert is tried, from when it is due first."""

_AT_ONCE = 100
_UNREADABLE = "this version could not read what waited, which is not an alert as it came:"
_REMOVED = "the file of receivers does not name it any more"


class GivingUp:
    """Removes from a queue what the broker has as dead letters; after a crash in between it is published twice."""

    def __init__(
        self, queue: DeliveryQueue, store: SummaryStore, publisher: Publisher, topics: Topics, retry: Retry
    ) -> None:
        self._queue = queue
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._retry = retry
        self._sweeping: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by receiver

    async def make_room(self, receiver: str, now_ms: int) -> None:
        """Return when its queue is at most twice as long as it may be. Its task makes it shorter, but not while it
        sends: alerts may arrive faster.
        """
        while True:
            async with self._sweeping[receiver]:
                status = await self._status(receiver)
                if status.waiting <= 2 * MAX_WAITING:  # guarantee: flood-waits-for-room
                    return
                if not await self._sweep(receiver, status, now_ms, is_known=True):
                    return

    async def sweep(self, receiver: str, now_ms: int, *, is_known: bool = True) -> QueueStatus | None:
        """Give up some of what waited too long or, of a queue that is too long, the least severe and oldest.

        Return its status; None where something was given up, and there may be more. ``is_known``: the file of receivers
        names it.
        """
        async with self._sweeping[receiver]:
            status = await self._status(receiver)
            return None if await self._sweep(receiver, status, now_ms, is_known=is_known) else status

    async def refuse(self, receiver: str, record: RawRecord) -> None:
        """Return when the replay of an alert to a receiver that was removed is a dead letter, as it came."""
        await self._published([Rejected(record, "receiver_removed", _REMOVED)])
        telemetry.alerts_given_up(receiver, "receiver_removed", 1)

    async def _status(self, receiver: str) -> QueueStatus:
        return await self._retry(lambda: self._queue.status(receiver))

    async def _sweep(self, receiver: str, status: QueueStatus, now_ms: int, *, is_known: bool) -> bool:
        before_ms = now_ms - PATIENCE_MS
        reason, detail = _why(status, is_known)
        waiting: list[Waiting | Unreadable] = []
        if status.oldest_at_ms is not None and status.oldest_at_ms < before_ms:  # guarantee: delivery-ends-in-a-day
            waiting = await self._retry(lambda: self._queue.expired(receiver, before_ms, _AT_ONCE))
        elif (not is_known or status.state.disabled_at_ms is not None) and _clock_was_ahead(status, now_ms):
            waiting = await self._retry(lambda: self._queue.least(receiver, _AT_ONCE))
        if not waiting and status.waiting > MAX_WAITING:  # guarantee: receivers-queue-is-bounded
            reason, detail = "receiver_queue_full", f"{status.waiting} alerts waited; {_state_of(status)}"
            most = min(status.waiting - MAX_WAITING, _AT_ONCE)
            waiting = await self._retry(lambda: self._queue.least(receiver, most))
        await self._give_up(receiver, waiting, reason, detail)
        return bool(waiting)

    async def _give_up(self, receiver: str, found: Sequence[Waiting | Unreadable], reason: str, detail: str) -> None:
        if not found:
            return
        waiting = [one for one in found if isinstance(one, Waiting)]
        lost = [one for one in waiting if not one.acknowledges]  # nobody replays an acknowledgement
        alerts = await self._retry(lambda: self._store.with_alert_words([one.alert for one in lost]))
        records = [(_record(receiver, one, alert), detail) for one, alert in zip(lost, alerts, strict=True)]
        records += [  # guarantee: unreadable-entry-ends-as-a-dead-letter
            (_unreadable_record(receiver, self._topics.alerts, one), f"{_UNREADABLE} {one.ref}; {detail}")
            for one in found
            if isinstance(one, Unreadable)
        ]
        if records:
            await self._published([Rejected(record, reason, why) for record, why in records])
            telemetry.alerts_given_up(receiver, reason, len(records))
        await self._retry(lambda: self._queue.remove(receiver, [one.ref for one in found], given_up=True))

    async def _published(self, rejects: Sequence[Rejected]) -> None:
        letters = [contract.dead_letter_message(self._topics.dead_letter, one) for one in rejects]
        delivered = asyncio.Event()
        self._publisher.publish(letters, delivered.set)
        await delivered.wait()  # guarantee: given-up-is-a-dead-letter-first


def _record(receiver: str, waiting: Waiting, alert: Alert) -> RawRecord:
    """The alert's record again: written from the alert, with the words that still stand, and the receiver's name."""
    headers = ((contract.HEADER_RECEIVER, receiver.encode()),)
    value = contract.encode_alert(alert)
    return RawRecord(*waiting.place, waiting.timestamp_ms, alert.product_id.encode(), value, headers)


def _unreadable_record(receiver: str, topic: str, entry: Unreadable) -> RawRecord:
    """The bytes of the entry, which hold no words of a review. Where its alert stands in the topic is not known."""
    return RawRecord(*Position(topic, -1, -1), 0, None, entry.packed, ((contract.HEADER_RECEIVER, receiver.encode()),))


def _clock_was_ahead(status: QueueStatus, now_ms: int) -> bool:
    """Where all that waits was queued: it would never be old enough. A receiver that is tried corrects their age."""
    return status.oldest_at_ms is not None and status.oldest_at_ms > believed_until_ms("info", now_ms)


def _why(status: QueueStatus, is_known: bool) -> tuple[str, str]:
    if not is_known:
        return "receiver_removed", _REMOVED
    if status.state.disabled_at_ms is not None:
        return "receiver_disabled", "it had answered 410 Gone"
    return "delivery_failed", f"not delivered within 24 h; {_state_of(status)}"


def _state_of(status: QueueStatus) -> str:
    return f"last error: {status.state.last_error}" if status.state.last_error else "the receiver was healthy"
