"""The role that tells people: each alert is logged once it is kept among the recent ones that the page shows."""

from __future__ import annotations

from functools import partial

from stream_app import contract, telemetry
from stream_app.kafka.topics import Topics
from stream_app.ports import Acks, Slot, SummaryStore
from stream_app.records import Partition, Rejected
from stream_app.roles.patience import Patience
from stream_app.settings import Settings


class Notify:
    """ports.StreamRole. An alert is finished after it was kept and logged; again after a crash, under the same id."""

    def __init__(self, settings: Settings, store: SummaryStore) -> None:
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._patiently = Patience("redis", settings.redis_patience_seconds)

    async def start(self, acks: Acks) -> None:
        self._acks = acks
        await self._patiently(self._store.check)

    async def take(self, slots: list[Slot]) -> None:
        for slot in slots:
            alert = contract.decode_alert(slot.record)
            if isinstance(alert, Rejected):
                telemetry.review_rejected(alert.reason, *slot.record[:3])
                self._acks.finish(slot, [contract.dead_letter_message(self._topics.dead_letter, alert)])
                continue
            await self._patiently(partial(self._store.record_alert, alert))
            telemetry.alert_notified(alert)
            self._acks.finish(slot, [])

    def has_room(self) -> bool:
        return True

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        """Nothing waits: each alert is finished within ``take``."""

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        return

    async def stop(self) -> None:
        await self._store.close()
