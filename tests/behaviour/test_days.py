"""What every ports.SummaryStore says of a product's days."""

from __future__ import annotations

from stream_app.ports import SummaryStore
from stream_app.records import Counts
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched
from tests.behaviour.running import Run
from tests.behaviour.store_calls import apply

TODAY = NOW_MS // DAY_MS
ONE_OF_FIVE_STARS = Counts(1, positive=1, stars=(0, 0, 0, 0, 1), p_negative_sum=123)


def days(run: Run, store: SummaryStore, product_id: str = "p") -> dict[int, Counts] | None:
    return run(store.days(product_id))


def test_days_have_the_reviews_of_their_hours_until_these_are_deleted(run: Run, store: SummaryStore) -> None:
    apply(
        run,
        store,
        enriched("r1"),
        enriched("r2", created_at_ms=NOW_MS - 3 * HOUR_MS, label="negative", rating=1),
        enriched("r3", created_at_ms=NOW_MS - 5 * DAY_MS),
        enriched("r4", created_at_ms=NOW_MS - 50 * DAY_MS),
    )
    both = Counts(2, negative=1, positive=1, stars=(1, 0, 0, 0, 1), p_negative_sum=9123)
    assert days(run, store) == {TODAY: both, TODAY - 5: ONE_OF_FIVE_STARS}

    apply(run, store, deletion("r2"), deletion("r3"))
    assert days(run, store) == {TODAY: ONE_OF_FIVE_STARS}


def test_days_of_an_unknown_product_are_none(run: Run, store: SummaryStore) -> None:
    assert days(run, store) is None
