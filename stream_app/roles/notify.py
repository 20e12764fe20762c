"""The role that tells people: each alert is logged once it is kept among the recent ones that the page shows."""

from __future__ import annotations

from collections.abc import Callable

from stream_app import contract, telemetry
from stream_app.kafka.rewrite import is_copy
from stream_app.kafka.topics import Topics
from stream_app.ports import Acks, Slot, SummaryStore
from stream_app.records import Alert, Partition, Rejected
from stream_app.roles.record_errors import RecordErrors
from stream_app.roles.settling import Batch, Settling
from stream_app.settings import Settings


class Notify:
    """ports.StreamRole. An alert is kept, logged, and acknowledged when Redis will not forget it (see ``Settling``).

    After a crash it is kept and logged again, under the same id. One whose id stands already, no less gravely, is
    acknowledged only: it was published again, or out of order. Copies that a killed erasure left are kept and not
    logged: the group has read their originals.
    """

    def __init__(self, settings: Settings, store: SummaryStore, *, fatal: Callable[[BaseException], None]) -> None:
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._settling: Settling[Alert] = Settling(settings, store, self._keep, fatal=fatal)
        self._record_errors = RecordErrors("notify")
        self._kept: list[Alert] = []  # of the poll that is being taken

    async def start(self, acks: Acks) -> None:
        self._acks = acks
        await self._settling.patiently(self._store.check)
        self._settling.start(acks)

    async def take(self, slots: list[Slot]) -> None:
        decoded = self._record_errors.attempt(
            slots,
            lambda some: [contract.decode_alert(slot.record) for slot in some],
            slot_of=lambda slot: slot,
            reject=self._reject,
        )
        readable: list[Slot] = []
        alerts: list[Alert] = []
        for slot, alert in decoded:
            if isinstance(alert, Rejected):
                self._reject(slot, alert)
            else:
                readable.append(slot)
                alerts.append(alert)
        if not readable:
            return
        self._kept = []
        await self._settling.add(readable, list(alerts))  # guarantee: alerts-settle-too
        for alert in self._kept:
            telemetry.alert_notified(alert)

    def _reject(self, slot: Slot, rejected: Rejected) -> None:
        telemetry.review_rejected(rejected.reason, *slot.record[:3])
        self._acks.finish(slot, [contract.dead_letter_message(self._topics.dead_letter, rejected)])

    def has_room(self) -> bool:
        return self._settling.has_room()

    def gather_ms(self) -> int:
        return 0

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        self._settling.drop(partitions)

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        return

    async def stop(self) -> None:
        self._settling.stop()
        await self._store.close()

    async def _keep(self, batch: Batch[Alert]) -> None:
        answered = await self._record_errors.attempt_async(
            # as they are now: a rebalance meanwhile takes some out of the batch
            list(zip(batch.slots, batch.values, strict=True)),
            lambda some: self._store.record_alerts([alert for _, alert in some]),
            slot_of=lambda item: item[0],
            reject=lambda item, rejected: self._give_up(batch, item[0], rejected),
        )
        if not batch.written_at:  # else a server forgot them, and people know of them already
            answered = [one for one in answered if not is_copy(one[0][0].record)]  # guarantee: copies-are-not-told
            self._kept = [alert for (_, alert), kept in answered if kept]  # guarantee: alerts-are-logged-once

    def _give_up(self, batch: Batch[Alert], slot: Slot, rejected: Rejected) -> None:
        if batch.leave_out(slot):
            self._reject(slot, rejected)
