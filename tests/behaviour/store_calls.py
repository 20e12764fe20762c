"""Calls of a ports.SummaryStore that the behaviour tests share."""

from __future__ import annotations

from typing import Any

from stream_app.ports import SummaryStore
from stream_app.records import EnrichedReview, ModelName, ProductSummary, ProductText
from tests.behaviour.enriched import DAY_MS, NOW_MS, enriched
from tests.behaviour.running import Run

LEASE_MS = 30_000
INTERVAL_MS = 60_000
PUBLICATION_MS = 50_000


def text_of(*review_ids: str, made_at_ms: int = NOW_MS) -> ProductText:
    return ProductText("It works", "It works, they say.", "abstractive", review_ids, ModelName("t5", "r1"), made_at_ms)


def read(run: Run, store: SummaryStore, now_ms: int = NOW_MS, product_id: str = "p") -> ProductSummary:
    [summary] = run(store.read([product_id], now_ms))
    assert summary is not None
    return summary


def apply(run: Run, store: SummaryStore, *reviews: EnrichedReview, now_ms: int = NOW_MS) -> list[bool]:
    return [applied.changed for applied in run(store.apply(reviews, now_ms))]


def claim(run: Run, store: SummaryStore, now_ms: int = NOW_MS, limit: int = 10) -> list[str]:
    """Products whose text is due."""
    claimed = run(store.claim_due(now_ms, limit, 0, LEASE_MS))
    assert all(one.text_is_due for one in claimed)
    return sorted(one.product_id for one in claimed)


def claim_to_publish(run: Run, store: SummaryStore, now_ms: int = NOW_MS, limit: int = 10) -> list[str]:
    """Products whose counts are to be published, whether a text is due or not."""
    return sorted(one.product_id for one in run(store.claim_due(now_ms, 0, limit, LEASE_MS)))


def publish(run: Run, store: SummaryStore, now_ms: int = NOW_MS, product_id: str = "p") -> None:
    """What `describe` does at the end of a round."""
    run(store.finish_due({product_id: read(run, store, now_ms, product_id).state_version}, now_ms))


def write_and_finish(run: Run, store: SummaryStore, now_ms: int, *review_ids: str) -> None:
    _, sentences = run(store.evidence("p"))
    revisions = {item.review_id: item.revision for item in sentences if item.review_id in review_ids}
    assert run(store.write_text("p", text_of(*review_ids, made_at_ms=now_ms), revisions))
    publish(run, store, now_ms)


def grown(run: Run, store: SummaryStore, reviews: int, **changes: Any) -> None:
    """The product p with this number of reviews and a text that cites none of them, published a day ago."""
    apply(run, store, *(enriched(f"old {n}", **changes) for n in range(reviews)), now_ms=NOW_MS - DAY_MS)
    claim(run, store, NOW_MS - DAY_MS)
    write_and_finish(run, store, NOW_MS - DAY_MS)
    assert claim(run, store) == []
