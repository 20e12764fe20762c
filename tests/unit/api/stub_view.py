"""A view held in a dict, for tests of what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stream_app.ports import StoreUnavailable
from stream_app.records import Alert, Counts, ModelName, ProductSummary, ProductText

NOW_MS = 1_760_000_000_000


def summary(
    product_id: str, *, version: int = 1, headline: str = "Loved for its taste", **other: object
) -> ProductSummary:
    """A product with some reviews in every window."""
    counts = Counts(12, 2, 1, 9, 0, (1, 1, 1, 3, 6), 21_000)
    made = ProductSummary(
        product_id=product_id,
        as_of_ms=NOW_MS,
        state_version=version,
        windows={"24h": Counts(), "7d": counts, "30d": counts, "all": counts},
        last_review_at_ms=NOW_MS - 60_000,
        text=ProductText(headline, "People like the taste.", "abstractive", ("r1", "r2"), ModelName("t5", "1"), NOW_MS),
        low_evidence=False,
    )
    return replace(made, **other)  # type: ignore[arg-type]


def alert(alert_id: str, product_id: str = "p", **other: object) -> Alert:
    """A bad review's alert."""
    made = Alert(
        alert_id=alert_id,
        rule="negative_review",
        severity="warning",
        product_id=product_id,
        created_at_ms=NOW_MS,
        raised_at_ms=NOW_MS,
        review_id="r1",
        revision=0,
        rating=1,
        p_negative=0.93,
        sentence="It broke on the first day.",
    )
    return replace(made, **other)  # type: ignore[arg-type]


class StubView:
    """The reading half of SummaryStore. ``away``: every call raises. ``trips``: how often it was asked."""

    def __init__(self, *summaries: ProductSummary, alerts: Sequence[Alert] = ()) -> None:
        self.summaries = {s.product_id: s for s in summaries}
        self.alerts = list(alerts)
        self.away = False
        self.trips = 0

    def _ask(self) -> None:
        self.trips += 1
        if self.away:
            raise StoreUnavailable("connection refused")

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        self._ask()
        found = [self.summaries.get(i) for i in product_ids]
        return [replace(s, as_of_ms=now_ms) if s else None for s in found]

    async def product_ids(self, limit: int) -> list[str]:
        self._ask()
        return list(self.summaries)[:limit]

    async def recent_alerts(self, limit: int) -> list[Alert]:
        self._ask()
        return self.alerts[:limit]
