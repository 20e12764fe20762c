"""What a rebuild brings back into the new view (texts, times, alerts), and what it must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import DueProduct
from stream_app.records import Alert, EnrichedReview, Place, ProductSummary, ProductText, Theme, Themes
from stream_app.store.keys import Keys
from stream_app.store.replay import ReplayStore
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import NOW_MS, deletion, enriched, opinion
from tests.behaviour.running import Run
from tests.integration.store.conftest import NAMESPACE

pytestmark = pytest.mark.store


def sentence_text(reviews: list[EnrichedReview]) -> ProductText:
    """The text that `describe` would make of these reviews' sentences."""
    sentences = [review.text[review.key_sentence.start : review.key_sentence.end] for review in reviews]  # type: ignore[index,union-attr]
    return ProductText(
        "It works", " ".join(sentences), "extractive", tuple(r.review_id for r in reviews), None, NOW_MS - 1000
    )


@pytest.fixture
def described(run: Run, old: RedisSummaryStore) -> Callable[..., ProductSummary]:
    """Applies reviews to generation 1, writes a text that cites the first two, and returns what is published."""

    def describe(reviews: list[EnrichedReview]) -> ProductSummary:
        run(old.apply(reviews, NOW_MS))
        cited = reviews[:2]
        assert run(old.write_text("p", sentence_text(cited), {review.review_id: review.revision for review in cited}))
        [summary] = run(old.read(["p"], NOW_MS))
        return summary

    return describe


def due(run: Run, store: ReplayStore) -> Any:
    async def enter() -> list[str]:
        entered = sum([due async for _, due in store.enter_due(NOW_MS)])
        claimed = await store.claim_due(NOW_MS + 10**6, 100, 100, 1000)
        assert len(claimed) == entered
        return [one.product_id for one in claimed]

    return run(enter())


def test_text_is_brought_back_where_its_evidence_is_the_same(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """Also where cited reviews were edited before it was made; and its product is not due."""
    reviews = [enriched("r1"), enriched("r2", kind="edited", revision=5), *(enriched(f"x{n}") for n in range(8))]
    gone = [enriched("g1"), deletion("g1"), enriched("g2"), deletion("g2"), enriched("g3"), deletion("g3")]
    published = described(reviews + gone)
    run(new.apply(reviews + gone, NOW_MS))
    assert due(run, new) == ["p"]
    run(new.finish_due({"p": None}, NOW_MS))

    assert run(new.restore_texts([published])) == 1

    [summary] = run(new.read(["p"], NOW_MS))
    assert summary.text == published.text
    assert run(new.claim_due(NOW_MS + 10**6, 10, 10, 1000)) == [], "nothing new since: not due"


def test_text_whose_evidence_was_edited_or_deleted_since_is_made_again(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """It would say what no review says any more."""
    reviews = [enriched("r1"), enriched("r2")]
    published = described(reviews)
    for later in (
        enriched("r2", kind="edited", revision=1, text="Broke.", key_sentence=None),
        deletion("r2", revision=2),
    ):
        run(new.apply([*reviews, later], NOW_MS))

        assert run(new.restore_texts([published])) == 0
    assert due(run, new) == ["p"]


def test_highlights_are_brought_back_without_reviews_that_changed(
    run: Run, new: ReplayStore, old: RedisSummaryStore
) -> None:
    """They come from the view before: products.summaries has no places."""
    reviews = [enriched(f"r{n}", opinions=(opinion("positive"),)) for n in range(6)]
    run(old.apply(reviews, NOW_MS))
    places = tuple(Place(f"r{n}", 0, 0) for n in range(6))
    themes = Themes(6, NOW_MS, (Theme("positive", None, places),))
    assert run(old.write_text("p", sentence_text(reviews[:2]), {"r0": 0, "r1": 0}, themes))
    [published] = run(old.read(["p"], NOW_MS))
    run(new.apply([*reviews, deletion("r4"), enriched("r5", kind="edited", revision=1)], NOW_MS))

    assert run(new.restore_texts([published])) == 1
    [summary] = run(new.read(["p"], NOW_MS))
    assert summary.highlights.praise[0].evidence == ("r0", "r1", "r2", "r3")
    assert summary.highlights.read == 6


def test_text_is_due_where_its_highlights_were_lost(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary], fresh_valkey: EmbeddedValkey
) -> None:
    reviews = [enriched(f"r{n}") for n in range(8)]
    published = described(reviews)
    with Redis.from_url(fresh_valkey.url) as client:
        client.delete(Keys(NAMESPACE, 1).product("p").state)
    run(new.apply(reviews, NOW_MS))

    assert run(new.restore_texts([published])) == 1
    [summary] = run(new.read(["p"], NOW_MS))
    assert (summary.text, summary.highlights) == (published.text, None)
    assert due(run, new) == ["p"]


def test_older_text_never_replaces_a_newer_one(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """A page of the topic that is read again changes nothing."""
    reviews = [enriched("r1"), enriched("r2")]
    published = described(reviews)
    assert published.text is not None
    newer = replace(published, text=replace(published.text, headline="It works (r2).", made_at_ms=NOW_MS))
    run(new.apply(reviews, NOW_MS))

    assert run(new.restore_texts([published, newer])) == 1
    assert run(new.restore_texts([newer])) == 0
    assert run(new.restore_texts([published])) == 0
    [summary] = run(new.read(["p"], NOW_MS))
    assert summary.text == newer.text


def test_text_that_many_reviews_came_after_is_brought_back_and_due(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """How many there were when it was made is known from what was published."""
    reviews = [enriched("r1"), enriched("r2")]
    published = described(reviews)
    run(new.apply([*reviews, *(enriched(f"x{number}") for number in range(3))], NOW_MS))

    assert run(new.restore_texts([published])) == 1
    assert due(run, new) == ["p"]


def test_reviews_that_came_since_the_text_are_counted_from_when_it_was_made(
    run: Run, new: ReplayStore, old: RedisSummaryStore, described: Callable[..., ProductSummary]
) -> None:
    """Those that were published with it already, and those that came after that."""
    reviews = [enriched(f"r{number}") for number in range(20)]
    described(reviews)
    later = [enriched(f"x{number}") for number in range(2)]
    run(old.apply(later, NOW_MS))
    [published] = run(old.read(["p"], NOW_MS))
    assert published.reviews_since_text == 2
    run(new.apply([*reviews, *later, enriched("y0")], NOW_MS))

    assert run(new.restore_texts([published])) == 1
    [summary] = run(new.read(["p"], NOW_MS))
    assert summary.reviews_since_text == 3


def test_text_of_a_product_that_the_log_does_not_know_is_left_out(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    assert run(new.restore_texts([described([enriched("r1"), enriched("r2")])])) == 0

    assert run(new.read(["p"], NOW_MS)) == [None]


def test_products_keep_the_time_of_their_last_review_not_of_the_rebuild(run: Run, new: ReplayStore) -> None:
    """The page shows first what changed last; a late original does not turn the order."""
    run(new.apply([enriched("r1", "a", enriched_at_ms=5), enriched("r1", "b", enriched_at_ms=10)], NOW_MS))
    run(new.apply([enriched("r2", "a", enriched_at_ms=9), enriched("r2", "b", enriched_at_ms=6)], NOW_MS))

    assert run(new.product_ids(10)) == ["b", "a"]
    assert run(new.claim_due(NOW_MS, 10, 10, 1000)) == [], "no product is due by a replay alone"


def test_alert_that_an_earlier_run_left_in_an_outbox_stays_there(
    run: Run, new: ReplayStore, fresh_valkey: EmbeddedValkey
) -> None:
    """It is not published while the view is built, so it must not be cleared; `summarize` finds it afterwards."""
    run(new.apply([enriched("r1")], NOW_MS))
    with Redis.from_url(fresh_valkey.url) as client:
        client.hset(Keys(NAMESPACE, 2).product("p").outbox, "alert", b"1\nr0\n{}")

        [applied] = run(new.apply([enriched("r1")], NOW_MS))

        assert applied.outbox == ()
        assert client.hgetall(Keys(NAMESPACE, 2).product("p").outbox) == {b"alert": b"1\nr0\n{}"}


def test_words_that_were_deleted_since_are_not_brought_back(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary], fresh_valkey: EmbeddedValkey
) -> None:
    """Neither by a text nor by an alert, whichever of the two topics and the log is read first."""
    published = described([enriched("r1"), enriched("r2")])
    quoting = Alert("a", "negative_review", "info", "p", NOW_MS, NOW_MS, "r1", 0, sentence="It works (r1).")
    run(new.record_alerts([quoting]))
    run(new.apply([enriched("r1"), enriched("r2"), deletion("r1")], NOW_MS))

    assert run(new.restore_texts([published])) == 0
    run(new.record_alerts([quoting]))
    assert run(new.recent_alerts(10)) == [replace(quoting, sentence=None)]
    with Redis.from_url(fresh_valkey.url) as client:
        assert not [key for key in client.scan_iter(Keys(NAMESPACE, 2).all) if b"(r1)" in client.dump(key)]


def test_what_was_published_already_is_not_published_again(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    reviews = [enriched(f"r{number}") for number in range(8)]
    published = described(reviews)
    run(new.apply(reviews, NOW_MS))
    assert run(new.restore_texts([published])) == 1

    assert due(run, new) == []


@pytest.mark.parametrize("later", [enriched("late"), deletion("r7")])
def test_counts_that_products_summaries_lacks_are_published_after_a_rebuild(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary], later: EnrichedReview
) -> None:
    reviews = [enriched(f"r{number}") for number in range(8)]
    published = described(reviews)
    run(new.apply([*reviews, later], NOW_MS))
    assert run(new.restore_texts([published])) == 1

    assert due(run, new) == ["p"]


@pytest.mark.parametrize("log_has", ["reviews and their deletions", "deletions alone"])
def test_words_of_a_product_that_lost_all_reviews_are_withdrawn_after_a_rebuild(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary], log_has: str
) -> None:
    """They went while Redis had lost its view, or `describe` was stopped. An erasure leaves deletions alone."""
    reviews, deletions = [enriched("r1"), enriched("r2")], [deletion("r1"), deletion("r2")]
    published = described(reviews)
    run(new.apply(deletions if log_has == "deletions alone" else [*reviews, *deletions], NOW_MS))
    assert run(new.restore_texts([published])) == 0

    assert due(run, new) == ["p"]
    [withdrawal] = run(new.read(["p"], NOW_MS))
    assert (withdrawal.windows["all"].reviews, withdrawal.text) == (0, None)
    run(new.finish_due({"p": withdrawal.state_version}, NOW_MS))
    assert run(new.claim_due(NOW_MS + 10**6, 10, 10, 1000)) == []

    run(new.restore_texts([withdrawal]))
    assert due(run, new) == [], "the next rebuild finds it published"


def test_words_that_went_before_a_rebuild_wait_for_no_text(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """It may take T5 a while. Of an erased review the log has only the deletion."""
    published = described([enriched("r1"), enriched("r2")])
    run(new.apply([deletion("r1"), enriched("r2")], NOW_MS))
    assert run(new.restore_texts([published])) == 0

    async def claimed() -> list[DueProduct]:
        assert [counts async for counts in new.enter_due(NOW_MS)] == [(1, 1)]
        return await new.claim_due(NOW_MS, 10, 10, 1000)

    assert [one.text_is_due for one in run(claimed())] == [False]


@pytest.mark.parametrize("without", [{"aspects": None, "trend": None}, {"digest": None}])
def test_summary_from_before_aspects_or_digests_is_published_again(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary], without: Any
) -> None:
    """Also where a newer record had them, as after a version was taken back."""
    reviews = [enriched(f"r{number}") for number in range(8)]
    published = described(reviews)
    run(new.apply(reviews, NOW_MS))
    run(new.restore_texts([published]))
    run(new.restore_texts([replace(published, **without)]))

    assert due(run, new) == ["p"]


def test_older_record_that_agrees_by_chance_does_not_count_as_the_published_one(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """Counts went up and down again: the last record is what readers of products.summaries have."""
    reviews = [enriched(f"r{number}") for number in range(8)]
    published = described(reviews)
    run(new.apply(reviews, NOW_MS))
    more = replace(published.windows["all"], reviews=9, positive=9)
    last = replace(published, windows=published.windows | {"all": more}, state_version=published.state_version + 1)
    run(new.restore_texts([published]))
    run(new.restore_texts([last]))

    assert due(run, new) == ["p"]


def test_acknowledgement_of_an_alert_that_is_not_restored_goes(
    run: Run, new: ReplayStore, old: RedisSummaryStore
) -> None:
    """Retention took it from the topic: an alert that is raised again under its id is a new one."""
    kept, gone = (Alert(name, "negative_review", "warning", "p", NOW_MS, NOW_MS, "r1", 0) for name in ("kept", "gone"))
    run(old.record_alerts([kept, gone]))
    for one in (kept, gone):
        assert run(old.acknowledge(one.alert_id, "Ana", None, NOW_MS))
    run(new.record_alerts([kept]))

    run(new.forget_acknowledgements())

    run(new.record_alerts([gone]))
    handled = run(new.handling([kept, gone], NOW_MS))
    assert [one.acknowledged is not None for one in handled] == [True, False]
    assert [alert_id for alert_id, _ in run(new.newly_acknowledged(10))] == ["kept"]
