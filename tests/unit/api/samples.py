"""A product summary and an alert, for tests of what reads the view."""

from __future__ import annotations

from dataclasses import replace

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
