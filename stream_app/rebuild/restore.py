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
from stream_app.rebuild.unfinished import raise_unfinished
from stream_app.records import Alert, ProductSummary, RawRecord
from stream_app.retry import Retry
from stream_app.settings import Settings
from stream_app.steps.raised_alerts import RaisedEpisodes
from stream_app.store.keys import MAX_RECENT_ALERTS
from stream_app.store.replay import ReplayStore

_RECORDS_AT_ONCE = 500
_PRODUCTS_AT_ONCE = 500


class Restore:
    """Reads the other topics. Each method may be called again; memory is bounded by a page of records."""

    def __init__(
        self,
        settings: Settings,
        store: ReplayStore,
        raised_episodes: RaisedEpisodes,
        advanced: Callable[[str, int, int], None],
        redis: Retry,
        brokers: Retry,
    ) -> None:
        """``raised_episodes`` collects what the alerts that are read say of episodes. ``advanced`` is called with
        (step, done, total).
        """
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._raised_episodes = raised_episodes
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

        ``since``: where the last reading ended; None: it is read from its beginning for ``raised_episodes``, the
        newest ones, as many as the view keeps, are restored.
        """
        ends = await self._ends(self._topics.alerts)
        shown_from = {number: max(0, end - MAX_RECENT_ALERTS) for number, end in ends.items()}
        records = read_to_end(self._settings, self._topics.alerts, since)
        while page := await _page(records):
            decoded = [(record, contract.decode_alert(record)) for record in page]
            alerts = [(record, alert) for record, alert in decoded if isinstance(alert, Alert)]
            for _, alert in alerts:
                self._raised_episodes.note(alert)
            shown = [alert for record, alert in alerts if record.offset >= shown_from.get(record.partition, 0)]
            await self._redis(partial(self._store.record_alerts, shown))
        return ends

    async def acknowledgements(self) -> None:
        """Forget those of alerts that were not restored."""
        await self._redis(self._store.forget_acknowledgements)

    async def episodes(self, now_ms: int) -> int:
        """Note the products that have turned bad, and alarm of none; return how many."""
        self._raised_episodes.take_news()
        total = await self._redis(self._store.count_products)
        looked_at = noted = 0
        false_alarms = self._settings.spike_false_alarms_of_a_rule
        async for looked_at_now, noted_now in self._store.note_episodes(self._raised_episodes, false_alarms, now_ms):
            looked_at, noted = looked_at + looked_at_now, noted + noted_now
            self._advanced("products judged", min(looked_at, total), total)
        return noted

    async def raised_meanwhile(self, now_ms: int) -> None:
        """Note what the other view raised, by the alerts read since the last call; alarms of nothing."""
        news = iter(sorted(self._raised_episodes.take_news()))
        false_alarms = self._settings.spike_false_alarms_of_a_rule
        while product_ids := list(islice(news, _PRODUCTS_AT_ONCE)):
            await self._redis(
                partial(self._store.note_episodes_of, product_ids, self._raised_episodes, false_alarms, now_ms)
            )

    async def unfinished(self, since: Mapping[int, int]) -> int:
        """Raise the alerts about products that the view before did not, which committed up to ``since``; how many."""
        return await raise_unfinished(self._settings, self._store, self._raised_episodes, since, self._redis)

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
