"""Highlights in every ports.SummaryStore: whose words they show, and when they lose them."""

from __future__ import annotations

from typing import Any

import pytest

from stream_app.ports import SummaryStore
from stream_app.records import EnrichedReview, Highlight, Highlights, Place, PlacedQuote, Theme, Themes
from stream_app.steps.fold import MAX_SENTENCES
from tests.behaviour.enriched import HOUR_MS, NOW_MS, deletion, enriched, opinion
from tests.behaviour.running import Run
from tests.behaviour.store_calls import INTERVAL_MS, apply, claim, read, text_of, write_and_finish


def smelly(review_id: str, words: str = "It smells.", **changes: Any) -> EnrichedReview:
    """A review whose second sentence, which begins at 7, complains."""
    said = (opinion("negative", "smell_and_taste", start=7),)
    return enriched(review_id, text=f"Hello. {words}", key_sentence=None, opinions=said, **changes)


def complaint(*review_ids: str, revision: int = 0) -> Themes:
    """One theme of these reviews, of five that were read."""
    places = tuple(Place(one, revision, 7) for one in review_ids)
    return Themes(5, NOW_MS, (Theme("negative", "smell_and_taste", places),))


def write(run: Run, store: SummaryStore, themes: Themes) -> None:
    assert run(store.write_text("p", text_of(), {}, themes))


def complaints(run: Run, store: SummaryStore) -> tuple[Highlight, ...]:
    highlights = read(run, store).highlights
    assert highlights is not None
    return highlights.complaints


def test_highlights_are_read_in_the_words_of_their_reviews(run: Run, store: SummaryStore) -> None:
    apply(run, store, smelly("r1"), smelly("r2", "The smell!"))
    assert read(run, store).highlights is None

    write(run, store, complaint("r2", "r1"))

    quote = PlacedQuote("r2", 0, 7, 17, "The smell!")
    expected = Highlights(5, NOW_MS, (), (Highlight(2, "smell_and_taste", quote, ("r2", "r1")),))
    assert read(run, store).highlights == expected


@pytest.mark.parametrize("event", [smelly("r1", "It is nice.", revision=1, kind="edited"), deletion("r1")])
def test_review_that_is_edited_or_deleted_drops_out_and_another_is_quoted(
    run: Run, store: SummaryStore, event: EnrichedReview
) -> None:
    apply(run, store, smelly("r1"), smelly("r2", "The smell!"))
    write(run, store, complaint("r1", "r2"))

    apply(run, store, event)
    [left] = complaints(run, store)
    assert (left.reviews, left.evidence, left.quote.text) == (1, ("r2",), "The smell!")

    apply(run, store, deletion("r2"))
    assert complaints(run, store) == (), "nobody says so any more"


def test_edited_review_comes_back_with_no_later_event(run: Run, store: SummaryStore) -> None:
    """What it said in another revision was never read."""
    apply(run, store, smelly("r1"), smelly("r2"))
    write(run, store, complaint("r1", "r2"))
    apply(run, store, deletion("r1"), smelly("r1", revision=2, kind="edited"))

    assert [one.evidence for one in complaints(run, store)] == [("r2",)]


def test_reviews_that_changed_before_highlights_were_written_are_left_out(run: Run, store: SummaryStore) -> None:
    apply(run, store, smelly("r1"), smelly("r2", revision=4, kind="edited"), smelly("r3"), deletion("r4"))
    apply(run, store, deletion("r3"))

    write(run, store, complaint("r1", "r2", "r3", "r4", "unknown"))
    assert [one.evidence for one in complaints(run, store)] == [("r1",)]


def test_review_whose_words_are_not_kept_any_more_counts_and_is_not_quoted(run: Run, store: SummaryStore) -> None:
    apply(run, store, smelly("old", created_at_ms=NOW_MS - 9 * HOUR_MS), smelly("new", "The smell!"))
    write(run, store, complaint("old", "new"))
    assert complaints(run, store)[0].quote.review_id == "old"

    apply(run, store, *(enriched(f"{n}", created_at_ms=NOW_MS - HOUR_MS) for n in range(MAX_SENTENCES)))
    [found] = complaints(run, store)
    assert (found.reviews, found.quote.review_id, set(found.evidence)) == (2, "new", {"old", "new"})

    apply(run, store, deletion("old"))
    assert complaints(run, store)[0].reviews == 1
    apply(run, store, deletion("new"))
    assert complaints(run, store) == ()


def test_review_that_says_something_else_there_in_a_better_models_words_drops_out(
    run: Run, store: SummaryStore
) -> None:
    """A replay with other models has the same revision and another opinion."""
    apply(run, store, smelly("r1"), smelly("r2"))
    write(run, store, complaint("r1", "r2"))

    apply(run, store, smelly("r1", enrichment_version=2))
    assert [one.evidence for one in complaints(run, store)] == [("r2",)]


def test_new_text_replaces_the_highlights(run: Run, store: SummaryStore) -> None:
    apply(run, store, smelly("r1"), smelly("r2"))
    write(run, store, complaint("r1", "r2"))

    write(run, store, Themes(2, NOW_MS + 1, ()))
    assert read(run, store).highlights == Highlights(2, NOW_MS + 1, (), ())


def test_refused_text_leaves_the_highlights(run: Run, store: SummaryStore) -> None:
    apply(run, store, smelly("r1"), smelly("r2"))
    write(run, store, complaint("r1", "r2"))
    before = read(run, store).highlights

    assert not run(store.write_text("p", text_of("r1"), {"r1": 7}, Themes(9, NOW_MS, ())))
    assert read(run, store).highlights == before


def test_product_with_a_text_and_highlights_is_not_due(run: Run, store: SummaryStore) -> None:
    """Without themes it has none, which is known too."""
    apply(run, store, smelly("r1"), smelly("r2"))
    assert claim(run, store) == ["p"]
    write_and_finish(run, store, NOW_MS, "r1")

    assert claim(run, store, NOW_MS + 2 * INTERVAL_MS) == []


def test_digest_is_in_the_summary_and_follows_the_counts(run: Run, store: SummaryStore) -> None:
    apply(run, store, *(smelly(f"r{n}", label="negative") for n in range(4)))
    digest = read(run, store).digest
    assert digest is not None
    assert (digest.reason, digest.reviews, digest.texts) == ("too_few", 4, None)

    apply(run, store, smelly("r4", label="negative"))
    digest = read(run, store).digest
    assert digest is not None
    assert digest.texts is not None
    assert digest.texts["en"].text == "All 5 reviews are negative. Most complain about the smell or taste (5)."
    assert digest.texts["zh"].text == "5 条评价全部是差评。大多数人抱怨气味或味道（5 条）。"
    assert digest.texts["en"].clauses[1].evidence == ("r4", "r3", "r2", "r1", "r0")
