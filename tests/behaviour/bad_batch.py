"""A product that turns bad, as the tests of its alerts deliver it."""

from __future__ import annotations

from typing import Any

from stream_app import contract
from stream_app.ports import Judged, SummaryStore
from stream_app.records import EnrichedReview
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, enriched
from tests.behaviour.running import Run

FALSE_ALARMS = 0.0005
ALERT_ID = "negative_spike|p|2027-01-15T08"


def bad(number: int, **changes: Any) -> EnrichedReview:
    """A review of one star, written ``number`` hours ago."""
    fields: dict[str, Any] = {"label": "negative", "rating": 1, "text": f"It broke ({number}).", "key_sentence": None}
    fields |= {"created_at_ms": NOW_MS - number * HOUR_MS}
    return enriched(f"bad {number}", **fields | changes)


HEALTHY = [enriched(f"good {number}", created_at_ms=NOW_MS - 3 * DAY_MS - number * 5 * HOUR_MS) for number in range(60)]
BATCH = [bad(number) for number in range(8)]


def judge(run: Run, store: SummaryStore, reviews: list[EnrichedReview], now_ms: int = NOW_MS) -> list[Judged]:
    """As a worker does after it applied them."""
    found: list[Judged] = run(
        store.judge(reviews, now_ms, false_alarms=FALSE_ALARMS, max_age_ms=2 * DAY_MS, encode=contract.encode_alert)
    )
    return found


def take(run: Run, store: SummaryStore, reviews: list[EnrichedReview], now_ms: int = NOW_MS) -> list[Judged]:
    """Applied and judged."""
    run(store.apply(reviews, now_ms))
    return judge(run, store, reviews, now_ms)


def raised(judged: list[Judged]) -> list[str]:
    return [alert.alert_id for one in judged for alert in one.raised]
