"""Keeps the recent alerts in one list, and the words of reviews that they quote with each product.

The words stand in their product's keys, so that the script that applies an edit or a deletion removes them in the
same step; the list holds alerts without them.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.records import SEVERITIES, Alert
from stream_app.store import alert_packing
from stream_app.store.keys import MAX_RECENT_ALERTS, Keys
from stream_app.store.scripts import DROP_ALERT_WORDS, NOTE_ALERT_WORDS, RECORD_ALERT
from stream_app.store.server import Command, Server


class RecentAlerts:
    """The recent alerts of one generation."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    async def record(self, alerts: Sequence[Alert]) -> list[bool]:
        """See ports.SummaryStore. May be repeated. The order is:

        1. the alerts without words: from here on step 3 finds each
        2. the words of the reviews of those that are kept, unless the view holds a later revision or a deletion
        3. beyond the limit the oldest go: their words first, so that after a crash the next call still finds them
        """
        if not alerts:
            return []
        lists = (self._keys.alerts, self._keys.alert_times)
        severities = " ".join(SEVERITIES)
        answers = await self._server.run(
            [
                RECORD_ALERT.call(lists, (one.alert_id, one.raised_at_ms, alert_packing.pack_alert(one), severities))
                for one in alerts
            ]
        )
        await self._server.run(
            [
                self._note_words(alert, review_id)
                for alert, kept in zip(alerts, answers, strict=True)
                if (review_id := alert.review_id) is not None and kept
            ]
        )
        await self._drop_oldest()  # guarantee: words-beyond-the-limit-go
        return [bool(kept) for kept in answers]

    async def newest(self, limit: int) -> list[Alert]:
        """Newest first, at most MAX_RECENT_ALERTS. Three round trips, and a fourth for alerts of products."""
        last = min(limit, MAX_RECENT_ALERTS) - 1
        [alert_ids] = await self._server.run([("ZREVRANGE", self._keys.alert_times, 0, last)])
        return await self.with_words(await self._alerts(alert_ids))

    async def one(self, alert_id: str) -> Alert | None:
        """The one of this id, with what it quotes; None where it is not among the recent ones."""
        found = await self.with_words(await self._alerts([alert_id.encode()]))
        return found[0] if found else None

    async def with_words(self, alerts: Sequence[Alert]) -> list[Alert]:
        """The same alerts with what they quote of their reviews, where that still stands."""
        quoting = [alert for alert in alerts if alert.review_id is not None]
        kept = await self._server.run(
            [("HGET", self._keys.product(one.product_id).alert_words, one.review_id) for one in quoting]
        )
        words = {alert.alert_id: one for alert, one in zip(quoting, kept, strict=True)}
        alerts = [alert_packing.with_alert_words(alert, words.get(alert.alert_id)) for alert in alerts]
        return await self._with_quotes(alerts)

    async def _with_quotes(self, alerts: Sequence[Alert]) -> list[Alert]:
        """With the sentences that the view holds now of the reviews that they quote."""
        quoting = [alert for alert in alerts if alert.quotes]
        held = await self._server.run(
            [
                ("HMGET", self._keys.product(one.product_id).sentences, *(quote.review_id for quote in one.quotes))
                for one in quoting
            ]
        )
        quoted = {one.alert_id: alert_packing.with_quotes(one, found) for one, found in zip(quoting, held, strict=True)}
        return [quoted.get(alert.alert_id, alert) for alert in alerts]

    async def _alerts(self, alert_ids: Sequence[bytes]) -> list[Alert]:
        if not alert_ids:
            return []
        [packed] = await self._server.run([("HMGET", self._keys.alerts, *alert_ids)])
        return [alert_packing.unpack_alert(one) for one in packed if one]

    async def _drop_oldest(self) -> None:
        [alert_ids] = await self._server.run([("ZRANGE", self._keys.alert_times, 0, -MAX_RECENT_ALERTS - 1)])
        if not alert_ids:
            return
        await self._server.run(
            [
                DROP_ALERT_WORDS.call(
                    (self._keys.product(one.product_id).alert_words,), (one.review_id, one.raised_at_ms)
                )
                for one in await self._alerts(alert_ids)
                if one.review_id is not None
            ]
        )
        await self._server.run(
            [
                ("HDEL", self._keys.alerts, *alert_ids),  # from here on it cannot be acknowledged
                ("HDEL", self._keys.namespace.acknowledged, *alert_ids),  # guarantee: acknowledgements-are-bounded
                ("ZREM", self._keys.alert_times, *alert_ids),  # last: after a crash the next call finds them again
            ]
        )

    def _note_words(self, alert: Alert, review_id: str) -> Command:
        product = self._keys.product(alert.product_id)
        arguments = (review_id, alert.revision or 0, alert.raised_at_ms, alert_packing.pack_alert_words(alert))
        return NOTE_ALERT_WORDS.call((product.reviews, product.alert_words), arguments)
