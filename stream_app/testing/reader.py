"""A fake of ports.SummaryReader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stream_app.ports import StoreUnavailable
from stream_app.records import Alert, ProductSummary


class CannedSummaryReader:
    """Gives the summaries and alerts that it was made with.

    ``away``: every call raises. ``trips``: how often it was asked.
    """

    def __init__(self, *summaries: ProductSummary, alerts: Sequence[Alert] = ()) -> None:
        self.summaries = {summary.product_id: summary for summary in summaries}
        self.alerts = list(alerts)
        self.away = False
        self.trips = 0

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        self._ask()
        found = [self.summaries.get(product_id) for product_id in product_ids]
        return [replace(summary, as_of_ms=now_ms) if summary else None for summary in found]

    async def product_ids(self, limit: int) -> list[str]:
        self._ask()
        return list(self.summaries)[:limit]

    async def recent_alerts(self, limit: int) -> list[Alert]:
        self._ask()
        return self.alerts[:limit]

    def _ask(self) -> None:
        self.trips += 1
        if self.away:
            raise StoreUnavailable("connection refused")
