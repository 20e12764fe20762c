"""A fake of ports.AlertDesk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stream_app.ports import StoreUnavailable
from stream_app.records import Alert, Counts, Evidence, ProductSummary
from stream_app.testing.handling import MemoryAlertHandling


class CannedSummaryReader(MemoryAlertHandling):
    """Gives the summaries and alerts that it was made with. Put days and sentences of a product into ``history`` and
    ``sentences``.

    ``away``: every call raises. ``trips``: how often it was asked.
    """

    def __init__(self, *summaries: ProductSummary, alerts: Sequence[Alert] = ()) -> None:
        super().__init__(self._recent_alert)
        self.summaries = {summary.product_id: summary for summary in summaries}
        self.alerts = list(alerts)
        self.history: dict[str, dict[int, Counts]] = {}
        self.sentences: dict[str, list[Evidence]] = {}
        self.away = False
        self.trips = 0

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        self._ask()
        found = [self.summaries.get(product_id) for product_id in product_ids]
        return [replace(summary, as_of_ms=now_ms) if summary else None for summary in found]

    async def product_ids(self, limit: int) -> list[str]:
        self._ask()
        return list(self.summaries)[:limit]

    async def changed_since(self, place: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        self._ask()
        return [(at, one) for at, one in enumerate(self.summaries) if (at, one) > place][:limit]

    async def recent_alerts(self, limit: int) -> list[Alert]:
        self._ask()
        return self.alerts[:limit]

    async def days(self, product_id: str) -> dict[int, Counts] | None:
        self._ask()
        return self.history.get(product_id, {}) if product_id in self.summaries else None

    async def evidence(self, product_id: str) -> tuple[int, list[Evidence]]:
        self._ask()
        held = self.summaries.get(product_id)
        return held.state_version if held else 0, self.sentences.get(product_id, [])

    def _recent_alert(self, alert_id: str) -> Alert | None:
        if self.away:
            raise StoreUnavailable("connection refused")
        return next((one for one in self.alerts if one.alert_id == alert_id), None)

    def _ask(self) -> None:
        self.trips += 1
        if self.away:
            raise StoreUnavailable("connection refused")
