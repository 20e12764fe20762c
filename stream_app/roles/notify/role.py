"""The role that notifies people: alerts are kept for the page, logged, and queued for their receivers."""

from __future__ import annotations

from collections.abc import Callable

from stream_app import contract, telemetry
from stream_app.kafka.copies import is_copy
from stream_app.ports import Acks, InFlightRecord, SummaryStore
from stream_app.records import Alert, RawRecord, Rejected
from stream_app.roles.delayed_acknowledgement import Batch
from stream_app.roles.notify.deliveries import Deliveries
from stream_app.roles.view_role import ViewRole
from stream_app.settings import RedisSettings


class Notify(ViewRole[Alert]):
    """ports.StreamRole. An alert is kept, queued for its receivers, logged, and acknowledged when it is durable in
    Redis (see ``DelayedAcknowledgement``). Receivers are served in the background: none holds a record back.

    After a crash it is kept, queued and logged again, under the same id; a queue takes each once. One whose id stands
    already, no less gravely, is acknowledged only: it was published again, or out of order. Copies that a killed
    erasure left are kept, and neither queued nor logged: the group has read their originals.
    """

    def __init__(
        self,
        settings: RedisSettings,
        store: SummaryStore,
        deliveries: Deliveries,
        *,
        fatal: Callable[[BaseException], None],
    ) -> None:
        super().__init__("notify", settings, store, fatal=fatal)
        self._deliveries = deliveries
        self._kept: list[Alert] = []  # of the poll that is being taken

    async def start(self, acks: Acks) -> None:
        await super().start(acks)
        self._deliveries.start()

    async def stop(self) -> None:
        await self._deliveries.stop()
        await super().stop()

    def _decode(self, record: RawRecord) -> Alert | Rejected:
        return contract.decode_alert(record)

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        self._kept = []
        await super().take(in_flight_records)
        for alert in self._kept:
            telemetry.alert_notified(alert)

    async def _write(self, batch: Batch[Alert]) -> None:
        answered = await self._attempt(batch, self._store.record_alerts)
        answered = [one for one in answered if not is_copy(one[0][0].record)]  # guarantee: copies-are-not-notified
        # guarantee: alerts-are-logged-once
        kept = [(in_flight.record, alert) for (in_flight, alert), is_kept in answered if is_kept]
        await self._deliveries.queue(kept)  # guarantee: queued-before-acknowledged
        if not batch.written_at:  # else a server lost them, and they were logged already
            self._kept = [alert for _, alert in kept]
