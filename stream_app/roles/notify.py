"""The role that notifies people: each alert is logged once it is among the recent ones that the page shows."""

from __future__ import annotations

from collections.abc import Callable

from stream_app import contract, telemetry
from stream_app.kafka.copies import is_copy
from stream_app.kafka.topics import Topics
from stream_app.ports import Acks, InFlightRecord, SummaryStore
from stream_app.records import Alert, Partition, Rejected
from stream_app.roles.delayed_acknowledgement import Batch, DelayedAcknowledgement
from stream_app.roles.record_errors import RecordErrors
from stream_app.settings import Settings


class Notify:
    """ports.StreamRole. An alert is kept, logged, and acknowledged when it is durable in Redis (see
    ``DelayedAcknowledgement``).

    After a crash it is kept and logged again, under the same id. One whose id stands already, no less gravely, is
    acknowledged only: it was published again, or out of order. Copies that a killed erasure left are kept and not
    logged: the group has read their originals.
    """

    def __init__(self, settings: Settings, store: SummaryStore, *, fatal: Callable[[BaseException], None]) -> None:
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._delayed: DelayedAcknowledgement[Alert] = DelayedAcknowledgement(settings, store, self._keep, fatal=fatal)
        self._record_errors = RecordErrors("notify")
        self._kept: list[Alert] = []  # of the poll that is being taken

    async def start(self, acks: Acks) -> None:
        self._acks = acks
        await self._delayed.retry(self._store.check)
        self._delayed.start(acks)

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        decoded = self._record_errors.attempt(
            in_flight_records,
            lambda some: [contract.decode_alert(in_flight.record) for in_flight in some],
            in_flight_of=lambda in_flight: in_flight,
            reject=self._reject,
        )
        readable: list[InFlightRecord] = []
        alerts: list[Alert] = []
        for in_flight, alert in decoded:
            if isinstance(alert, Rejected):
                self._reject(in_flight, alert)
            else:
                readable.append(in_flight)
                alerts.append(alert)
        if not readable:
            return
        self._kept = []
        await self._delayed.add(readable, list(alerts))  # guarantee: alerts-settle-too
        for alert in self._kept:
            telemetry.alert_notified(alert)

    def _reject(self, in_flight: InFlightRecord, rejected: Rejected) -> None:
        telemetry.review_rejected(rejected.reason, *in_flight.record[:3])
        self._acks.finish(in_flight, [contract.dead_letter_message(self._topics.dead_letter, rejected)])

    def has_room(self) -> bool:
        return self._delayed.has_room()

    def fetch_wait_ms(self) -> int:
        return 0

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        self._delayed.drop(partitions)

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        return

    async def stop(self) -> None:
        self._delayed.stop()
        await self._store.close()

    async def _keep(self, batch: Batch[Alert]) -> None:
        answered = await self._record_errors.attempt_async(
            # as they are now: a rebalance meanwhile takes some out of the batch
            list(zip(batch.in_flight_records, batch.values, strict=True)),
            lambda some: self._store.record_alerts([alert for _, alert in some]),
            in_flight_of=lambda item: item[0],
            reject=lambda item, rejected: self._give_up(batch, item[0], rejected),
        )
        if not batch.written_at:  # else a server lost them, and they were logged already
            answered = [one for one in answered if not is_copy(one[0][0].record)]  # guarantee: copies-are-not-told
            self._kept = [alert for (_, alert), kept in answered if kept]  # guarantee: alerts-are-logged-once

    def _give_up(self, batch: Batch[Alert], in_flight: InFlightRecord, rejected: Rejected) -> None:
        if batch.leave_out(in_flight):
            self._reject(in_flight, rejected)
