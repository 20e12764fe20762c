"""Restores in a new generation what the log of reviews does not hold: texts, recent alerts, and what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice

from stream_app import contract
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.records import Alert, ProductSummary, RawRecord
from stream_app.roles.retry import Retry
from stream_app.settings import KafkaSettings
from stream_app.store.keys import MAX_RECENT_ALERTS
from stream_app.store.replay import ReplayStore

_RECORDS_AT_ONCE = 500


class Restore:
    """Reads the other topics. Each method may be called again; memory is bounded by a page of records."""

    def __init__(
        self,
        settings: KafkaSettings,
        store: ReplayStore,
        advanced: Callable[[str, int, int], None],
        redis: Retry,
        brokers: Retry,
    ) -> None:
        """``advanced`` is called with (step, done, total)."""
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._advanced = advanced
        self._redis = redis
        self._brokers = brokers

    async def texts(self) -> int:
        """Restore product texts that still hold, from products.summaries; return how many were written."""
        total = sum((await self._ends(self._topics.summaries)).values())
        done = restored = 0
        records = read_to_end(self._settings, self._topics.summaries)
        while page := await _page(records):
            published = [summary for record in page if (summary := _summary_in(record)) is not None]
            restored += await self._redis(partial(self._store.restore_texts, published))
            done = min(done + len(page), total)
            self._advanced("product texts read", done, total)
        self._advanced("product texts read", total, total)  # compaction made the topic shorter than its offsets
        return restored

    async def alerts(self, since: Mapping[int, int] | None = None) -> dict[int, int]:
        """Restore recent alerts, from reviews.alerts; return where the topic ended before it was read.

        ``since``: where the last reading ended; None: the newest ones, as many as the view keeps.
        """
        ends = await self._ends(self._topics.alerts)
        starts = since or {number: max(0, end - MAX_RECENT_ALERTS) for number, end in ends.items()}
        records = read_to_end(self._settings, self._topics.alerts, starts)
        while page := await _page(records):
            alerts = [alert for record in page if isinstance(alert := contract.decode_alert(record), Alert)]
            await self._redis(partial(self._store.record_alerts, alerts))
        return ends

    async def episodes(self, false_alarms: float, now_ms: int) -> int:
        """Note the products that have turned bad, and alarm of none; return how many."""
        total = await self._redis(self._store.count_products)
        looked_at = noted = 0
        async for looked_at_now, noted_now in self._store.note_episodes(false_alarms, now_ms):
            looked_at, noted = looked_at + looked_at_now, noted + noted_now
            self._advanced("products judged", min(looked_at, total), total)
        return noted

    async def due(self, now_ms: int) -> int:
        """Enter the products whose text or publication is or will be due; return how many."""
        total = await self._redis(self._store.count_products)
        looked_at = due = 0
        async for looked_at_now, due_now in self._store.enter_due(now_ms):
            looked_at, due = looked_at + looked_at_now, due + due_now
            self._advanced("products looked at", min(looked_at, total), total)
        return due

    async def _ends(self, topic: str) -> dict[int, int]:
        return await self._brokers(lambda: asyncio.to_thread(end_offsets, self._settings, topic))


async def _page(records: Iterator[RawRecord]) -> list[RawRecord]:
    return await asyncio.to_thread(lambda: list(islice(records, _RECORDS_AT_ONCE)))


def _summary_in(record: RawRecord) -> ProductSummary | None:
    """Decode the summary; None for a tombstone, and for what another producer wrote."""
    try:
        return contract.decode_product_summary(record.value) if record.value else None
    except (KeyError, TypeError, ValueError):
        return None
