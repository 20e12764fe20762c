"""What signals need of every ports.SummaryStore: counts of mismatches and of days, and a walk over all products."""

from __future__ import annotations

from typing import Any

from stream_app.ports import SummaryStore
from stream_app.steps.signals import signals_of
from tests.behaviour.enriched import DAY_MS, NOW_MS, deletion, enriched
from tests.behaviour.running import Run
from tests.behaviour.store_calls import apply, read
from tests.behaviour.test_aspects import about

AGAINST: dict[str, Any] = {"flags": ("rating_mismatch",)}


def mismatches(run: Run, store: SummaryStore) -> int:
    return read(run, store).mismatches


def test_mismatches_are_counted_once_and_taken_back(run: Run, store: SummaryStore) -> None:
    first, second = enriched("r1", **AGAINST), enriched("r2", rating=1, **AGAINST)
    apply(run, store, first, second, first, enriched("r3", flags=("low_confidence",)))
    assert mismatches(run, store) == 2

    apply(run, store, enriched("r1", revision=1, kind="edited"))
    assert mismatches(run, store) == 1
    apply(run, store, enriched("r3", revision=1, kind="edited", **AGAINST), first)
    assert mismatches(run, store) == 2
    apply(run, store, deletion("r2"), deletion("r3", revision=2), deletion("r3", revision=3))
    assert mismatches(run, store) == 0


def test_mismatch_stands_beside_what_a_review_says_of_aspects(run: Run, store: SummaryStore) -> None:
    """Both end its contribution."""
    apply(run, store, about("r1", "Ugly.", "-look", rating=5, **AGAINST), about("r2", "Ugly.", "-look"))
    summary = read(run, store)
    assert summary.aspects is not None
    assert (summary.mismatches, summary.aspects["look"].windows["all"].negative) == (1, 2)

    apply(run, store, deletion("r1"))
    summary = read(run, store)
    assert summary.aspects is not None
    assert (summary.mismatches, summary.aspects["look"].windows["all"].negative) == (0, 1)


def test_reviews_of_the_last_days_move_with_the_readers_clock(run: Run, store: SummaryStore) -> None:
    """Also when no review comes."""
    ages = (0, 1, 7, 8, 28, 29)
    apply(run, store, *(enriched(f"r{days}", created_at_ms=NOW_MS - days * DAY_MS) for days in ages))

    assert read(run, store).recent_reviews == {7: 3, 28: 5}
    assert read(run, store, NOW_MS + DAY_MS).recent_reviews == {7: 2, 28: 4}
    assert read(run, store, NOW_MS + 40 * DAY_MS).recent_reviews == {7: 0, 28: 0}


def test_signals_change_with_the_reviews(run: Run, store: SummaryStore) -> None:
    apply(run, store, *(enriched(f"r{n}", label="negative", rating=1, created_at_ms=NOW_MS) for n in range(6)))
    found = signals_of(read(run, store))

    assert (found.reviews, found.negative, found.judged, found.rated) == (6, 6, 6, 6)
    assert found.negative_share.low > 0.085
    assert found.score.high < 4.285
    assert found.state_version == read(run, store).state_version


def test_walk_in_the_order_of_change_misses_no_product(run: Run, store: SummaryStore) -> None:
    """Several have the same time; one changes on the way, and comes again."""
    for at, names in enumerate((("b", "ä", "a"), ("d",), ("c", "e"))):
        apply(run, store, *(enriched(product_id=name) for name in names), now_ms=NOW_MS + at)
    assert run(store.changed_since((-1, ""), 9)) == [
        *((NOW_MS, name) for name in ("a", "b", "ä")),
        (NOW_MS + 1, "d"),
        *((NOW_MS + 2, name) for name in ("c", "e")),
    ]

    seen, place = [], (-1, "")
    while page := run(store.changed_since(place, 2)):
        seen += [product_id for _, product_id in page]
        place = page[-1]
        if seen == ["a", "b"]:
            apply(run, store, enriched("again", product_id="a"), now_ms=NOW_MS + 3)
            apply(run, store, enriched("again", product_id="ä"), now_ms=NOW_MS + 3)
    assert seen == ["a", "b", "d", "c", "e", "a", "ä"]
    assert run(store.changed_since(place, 2)) == []
