"""The fold of a product's reviews: what counts, what stands, what a reader sees at a given time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import FINAL_REVISION, Counts, EnrichedReview, ProductSummary, ProductText
from stream_app.steps.fold import BUCKET_DAYS, MAX_SENTENCES, ProductState, cited_changed
from stream_app.steps.product_summary import WINDOW_HOURS, summarize
from tests.behaviour.enriched import (
    DAY_MS,
    HOUR_MS,
    NOW_MS,
    deletion,
    enriched,
    events,
    version_of,
    without_contradictions,
)


def folded(deliveries: list[EnrichedReview]) -> ProductState:
    state = ProductState("p")
    for event in deliveries:
        state.apply(event)
    return state


def text_made_at(made_at_ms: int) -> ProductText:
    return ProductText("Works", "It works.", "extractive", (), None, made_at_ms)


def recounted(deliveries: list[EnrichedReview], since_hour: int | None) -> Counts:
    """The counts by a plain recount of the largest version of each review."""
    standing: dict[str, EnrichedReview] = {}
    for event in deliveries:
        held = standing.get(event.review_id)
        if held is None or version_of(event) > version_of(held):
            standing[event.review_id] = event
    there = [
        event
        for event in standing.values()
        if event.kind != "deleted"
        and (since_hour is None or since_hour <= event.created_at_ms // HOUR_MS <= NOW_MS // HOUR_MS)
    ]
    labels = [event.sentiment.label if event.sentiment else "unknown" for event in there]
    one, two, three, four, five = (sum(event.rating == star for event in there) for star in range(1, 6))
    return Counts(
        reviews=len(there),
        negative=labels.count("negative"),
        neutral=labels.count("neutral"),
        positive=labels.count("positive"),
        unknown=labels.count("unknown"),
        stars=(one, two, three, four, five),
        p_negative_sum=sum(round(event.sentiment.scores[0] * 10_000) for event in there if event.sentiment),
    )


@given(st.lists(events, max_size=12).map(without_contradictions))
def test_counts_equal_a_plain_recount(deliveries: list[EnrichedReview]) -> None:
    summary = summarize(folded(deliveries), NOW_MS)

    expected = {name: recounted(deliveries, NOW_MS // HOUR_MS - hours) for name, hours in WINDOW_HOURS.items()}
    assert summary.windows == expected | {"all": recounted(deliveries, None)}


def order_free(state: ProductState) -> tuple[object, ...]:
    return state.totals, state.buckets, state.aspects, state.aspect_days, state.hazards, state.newest_ms, state.held


@given(st.lists(events, max_size=8).map(without_contradictions), st.data())
def test_order_and_repetition_of_events_leave_the_same_state(
    deliveries: list[EnrichedReview], data: st.DataObject
) -> None:
    again = data.draw(st.permutations(deliveries + deliveries[: len(deliveries) // 2]))

    assert order_free(folded(again)) == order_free(folded(deliveries))


def test_equal_version_is_a_duplicate_and_the_first_stands() -> None:
    state = folded([enriched(rating=5)])

    assert not state.apply(enriched(rating=1))
    assert summarize(state, NOW_MS).windows["all"].stars == (0, 0, 0, 0, 1)


def test_larger_enrichment_version_replaces_what_older_models_said() -> None:
    state = folded([enriched(label="neutral"), enriched(label="negative", enrichment_version=2)])

    assert state.totals[:4] == (1, 0, 0, 0)


def test_deletion_that_arrives_first_keeps_its_review_out() -> None:
    state = folded([deletion(revision=FINAL_REVISION), enriched(), enriched(revision=7, kind="edited")])

    assert summarize(state, NOW_MS).windows["all"] == Counts()
    assert state.held["r1"].revision == FINAL_REVISION
    assert state.sentences == {}


def test_review_in_the_hour_that_a_window_begins_in_counts_and_one_an_hour_older_does_not() -> None:
    hour_start = NOW_MS // HOUR_MS * HOUR_MS
    state = folded(
        [
            enriched("inside", created_at_ms=hour_start - 24 * HOUR_MS),
            enriched("outside", created_at_ms=hour_start - 24 * HOUR_MS - 1),
        ]
    )

    summary = summarize(state, NOW_MS)
    assert (summary.windows["24h"].reviews, summary.windows["7d"].reviews) == (1, 2)
    assert summarize(state, NOW_MS + 8 * DAY_MS).windows["7d"].reviews == 0


def test_buckets_are_kept_for_37_days_and_totals_for_ever() -> None:
    old = [enriched(str(day), created_at_ms=NOW_MS - day * DAY_MS) for day in range(50)]

    for state in (folded(old), folded(old[::-1])):
        assert len(state.buckets) == BUCKET_DAYS + 1
        assert state.totals[2] == 50


def test_review_older_than_the_buckets_can_be_edited_and_deleted() -> None:
    ancient = enriched("old", created_at_ms=NOW_MS - 900 * DAY_MS)
    state = folded([ancient, enriched("new"), replace(ancient, revision=1, rating=2), deletion("old", revision=2)])

    assert summarize(state, NOW_MS).windows["all"].reviews == 1
    assert list(state.buckets.values()) == [state.totals]


def test_last_review_is_none_when_none_is_left() -> None:
    state = folded([enriched()])
    assert summarize(state, NOW_MS).last_review_at_ms == NOW_MS

    state.apply(deletion())
    assert summarize(state, NOW_MS).last_review_at_ms is None


@pytest.mark.parametrize(("reviews", "low"), [(4, True), (5, False)])
def test_fewer_than_five_reviews_are_low_evidence(reviews: int, low: bool) -> None:
    summary: ProductSummary = summarize(folded([enriched(str(n)) for n in range(reviews)]), NOW_MS)

    assert summary.low_evidence is low


def test_sentences_are_the_newest_and_bounded() -> None:
    state = folded([enriched(f"{n:03d}", created_at_ms=NOW_MS - n) for n in range(MAX_SENTENCES + 10)])

    assert [item.review_id for item in state.newest_sentences()] == [f"{n:03d}" for n in range(MAX_SENTENCES)]


def test_whole_sentences_are_kept_and_at_most_300_characters() -> None:
    state = folded([enriched("short"), enriched("long", text="ä" * 400, key_sentence=None)])

    assert state.sentences["short"].sentence == "It works (short).\nI would buy it again."
    assert state.sentences["long"].sentence == "ä" * 300


@pytest.mark.parametrize("event", [enriched(revision=1, kind="edited"), deletion()])
def test_text_goes_with_the_evidence_that_it_cites(event: EnrichedReview) -> None:
    state = folded([enriched()])
    assert state.write_text(text_made_at(NOW_MS), {"r1": 0})
    assert not cited_changed(state.cited, state.held)

    state.apply(event)
    assert (state.text, state.cited, state.text_changed) == (None, {}, state.changes)
    assert not state.write_text(text_made_at(NOW_MS), {"r1": 0})
