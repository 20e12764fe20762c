"""The role that notifies people: each alert is logged once it is among the recent ones that the page shows."""

from __future__ import annotations

from collections.abc import Callable

from stream_app import contract, telemetry
from stream_app.kafka.copies import is_copy
from stream_app.ports import InFlightRecord, SummaryStore
from stream_app.records import Alert, RawRecord, Rejected
from stream_app.roles.delayed_acknowledgement import Batch
from stream_app.roles.view_role import ViewRole
from stream_app.settings import RedisSettings


class Notify(ViewRole[Alert]):
    """ports.StreamRole. An alert is kept, logged, and acknowledged when it is durable in Redis (see
    ``DelayedAcknowledgement``).

    After a crash it is kept and logged again, under the same id. One whose id stands already, no less gravely, is
    acknowledged only: it was published again, or out of order. Copies that a killed erasure left are kept and not
    logged: the group has read their originals.
    """

    def __init__(self, settings: RedisSettings, store: SummaryStore, *, fatal: Callable[[BaseException], None]) -> None:
        super().__init__("notify", settings, store, fatal=fatal)
        self._kept: list[Alert] = []  # of the poll that is being taken

    def _decode(self, record: RawRecord) -> Alert | Rejected:
        return contract.decode_alert(record)

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        self._kept = []
        await super().take(in_flight_records)
        for alert in self._kept:
            telemetry.alert_notified(alert)

    async def _write(self, batch: Batch[Alert]) -> None:
        answered = await self._attempt(batch, self._store.record_alerts)
        if not batch.written_at:  # else a server lost them, and they were logged already
            answered = [one for one in answered if not is_copy(one[0][0].record)]  # guarantee: copies-are-not-notified
            self._kept = [alert for (_, alert), kept in answered if kept]  # guarantee: alerts-are-logged-once
