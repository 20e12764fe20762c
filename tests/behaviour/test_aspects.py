"""What every ports.SummaryStore says of a product's aspects and its trend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_app.ports import SummaryStore
from stream_app.records import AspectCounts, EnrichedReview, Quote
from stream_app.steps.aspects import Aspect, use_aspects
from stream_app.steps.slices import Filter, slice_of
from tests.behaviour.enriched import DAY_MS, NOW_MS, deletion, enriched, events, opinion, without_contradictions
from tests.behaviour.running import Run
from tests.behaviour.store_calls import apply, read, write_and_finish


def said(run: Run, store: SummaryStore, now_ms: int = NOW_MS, window: str = "all") -> dict[str, AspectCounts]:
    aspects = read(run, store, now_ms).aspects
    assert aspects is not None
    return {aspect: one.windows[window] for aspect, one in aspects.items()}


def quoted(run: Run, store: SummaryStore, aspect: str = "look") -> Quote | None:
    aspects = read(run, store).aspects
    assert aspects is not None
    return aspects[aspect].quote


def about(review_id: str, text: str, *labels_and_aspects: str, **changes: Any) -> EnrichedReview:
    """A review whose only sentence says this: "+look", "-value"."""
    said = (opinion("negative" if one[0] == "-" else "positive", one[1:]) for one in labels_and_aspects)
    return enriched(review_id, text=text, key_sentence=None, opinions=tuple(said), **changes)


def test_review_counts_once_per_aspect(run: Run, store: SummaryStore) -> None:
    review = about("r1", "Ugly, not pretty.", "-look", "-look", "+look", "+value", "+no aspect of ours")

    apply(run, store, review, review)
    assert said(run, store) == {"look": AspectCounts(1, 1, 1), "value": AspectCounts(1, 0, 1)}


def test_edit_and_deletion_take_back_what_was_said(run: Run, store: SummaryStore) -> None:
    apply(run, store, about("r1", "Pretty.", "+look"), about("r2", "Cheap.", "+value", "+look"))

    apply(run, store, about("r1", "Ugly.", "-look", revision=1, kind="edited"))
    assert said(run, store) == {"look": AspectCounts(2, 1, 1), "value": AspectCounts(1, 0, 1)}
    apply(run, store, deletion("r2"))
    assert said(run, store) == {"look": AspectCounts(1, 1, 0)}
    apply(run, store, enriched("r1", revision=2, kind="edited"))
    assert said(run, store) == {}


def test_aspect_that_no_file_names_any_more_is_taken_back_with_its_reviews(run: Run, store: SummaryStore) -> None:
    use_aspects([Aspect("strings", {"en": "Strings"}, {"en": "Strings."}, {"en": ("strings",)})])
    try:
        apply(run, store, about("r1", "Rusty.", "-strings"), about("r2", "Bright.", "+strings", "+look"))
    finally:
        use_aspects()

    apply(run, store, about("r3", "Rusty too.", "-strings", "+look"))
    assert said(run, store) == {"look": AspectCounts(2, 0, 2), "strings": AspectCounts(2, 1, 1)}
    apply(run, store, deletion("r1"))
    assert said(run, store) == {"look": AspectCounts(2, 0, 2), "strings": AspectCounts(1, 0, 1)}
    apply(run, store, deletion("r2"))
    assert said(run, store) == {"look": AspectCounts(1, 0, 1)}


def test_window_of_30_days_moves_with_the_readers_clock(run: Run, store: SummaryStore) -> None:
    """Also when no review comes."""
    apply(run, store, about("r1", "Pretty.", "+look"), about("r2", "Ugly.", "-look", created_at_ms=NOW_MS - 5 * DAY_MS))

    seen = [said(run, store, NOW_MS + days * DAY_MS, "30d")["look"] for days in (0, 25, 26, 30, 31)]
    assert seen == [AspectCounts(2, 1, 1)] * 2 + [AspectCounts(1, 0, 1)] * 2 + [AspectCounts()]
    assert said(run, store, NOW_MS + 400 * DAY_MS) == {"look": AspectCounts(2, 1, 1)}


def test_quote_goes_with_its_review(run: Run, store: SummaryStore) -> None:
    """Retracted in the step that edits or deletes it; another review's takes its place."""
    apply(run, store, about("r1", "Pretty.", "+look"), about("r2", "So pretty!", "+look", created_at_ms=NOW_MS + 1))
    assert quoted(run, store) == Quote("r2", 0, "positive", "So pretty!")

    apply(run, store, about("r2", "Still pretty.", "+look", revision=1, kind="edited", created_at_ms=NOW_MS + 1))
    assert quoted(run, store) == Quote("r2", 1, "positive", "Still pretty.")
    apply(run, store, deletion("r2", revision=2))
    assert quoted(run, store) == Quote("r1", 0, "positive", "Pretty.")


def test_quote_is_the_sentence_that_says_it(run: Run, store: SummaryStore) -> None:
    text = "It was a gift. It looks cheap! I sent it back."
    at = text.index("It looks")

    apply(run, store, enriched(text=text, key_sentence=None, opinions=(opinion("negative", "look", start=at),)))
    assert quoted(run, store) == Quote("r1", 0, "negative", "It looks cheap!")


def test_trend_moves_with_the_readers_clock(run: Run, store: SummaryStore) -> None:
    """Twenty good reviews, ten days later ten bad ones; a week later nothing is recent any more."""
    good = [about(f"g{n}", "Pretty.", "+look", created_at_ms=NOW_MS - 10 * DAY_MS) for n in range(20)]
    bad = [about(f"b{n}", "Ugly.", "-look", label="negative", rating=1) for n in range(10)]
    apply(run, store, *good, *bad)

    changes = []
    for days in (-3, 0, 7, 8):
        trend = read(run, store, NOW_MS + days * DAY_MS).trend
        assert trend is not None
        changes.append((trend.negative.change, trend.stars.change, trend.aspects["look"].change))
    assert changes == [("too_few",) * 3, ("worse",) * 3, ("worse",) * 3, ("too_few",) * 3]


def test_reviews_since_the_text_are_counted(run: Run, store: SummaryStore) -> None:
    apply(run, store, enriched("r1"), enriched("r2"))
    assert read(run, store).reviews_since_text is None
    write_and_finish(run, store, NOW_MS, "r1")
    assert read(run, store).reviews_since_text == 0

    apply(run, store, enriched("r3"), enriched("r4"), deletion("r3"))
    assert read(run, store).reviews_since_text == 2
    apply(run, store, deletion("r1"))
    assert read(run, store).reviews_since_text is None


@given(deliveries=st.lists(events, max_size=8).map(without_contradictions), data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_repetition_of_events_change_no_aspect(
    run: Run, store: SummaryStore, deliveries: list[EnrichedReview], data: st.DataObject
) -> None:
    """Quotes included: so few reviews are all kept."""
    orders = [[enriched("always"), *deliveries]]
    orders.append(data.draw(st.permutations(orders[0] + deliveries[:3])))
    seen = []
    for number, order in enumerate(orders):
        product_id = f"{data.draw(st.uuids())} {number}"
        apply(run, store, *(replace(event, product_id=product_id) for event in order))
        summary = read(run, store, product_id=product_id)
        seen.append((summary.aspects, summary.trend))

    assert seen[0] == seen[1]


def test_slice_follows_edits_and_deletions(run: Run, store: SummaryStore) -> None:
    """What is kept of reviews has what slices are chosen by."""
    apply(run, store, about("en1", "Ugly.", "-look", rating=1), about("en5", "Pretty.", "+look", rating=5),
          about("zh1", "丑。", "-look", rating=1, language="zh"))  # fmt: skip

    def sliced(**chosen: Any) -> tuple[int, dict[str, tuple[AspectCounts, str]]]:
        _, kept = run(store.evidence("p"))
        found = slice_of(kept, Filter(**chosen), NOW_MS)
        return found.counts.reviews, {
            aspect: (one.counts, one.quote.review_id) for aspect, one in found.aspects.items()
        }

    assert sliced(stars=(1,))[0] == 2
    assert sliced(languages=("zh",)) == (1, {"look": (AspectCounts(1, 1, 0), "zh1")})
    apply(run, store, about("en1", "Fine.", "+look", rating=4, revision=1, kind="edited"), deletion("zh1"))
    assert sliced(stars=(1,)) == (0, {})
    assert sliced(stars=(4,)) == (1, {"look": (AspectCounts(1, 0, 1), "en1")})
