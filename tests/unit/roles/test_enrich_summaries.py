"""Summaries of the role `enrich`: T5 where it answers in time, else the best sentence."""

from __future__ import annotations

import asyncio
import threading

import pytest
from prometheus_client import REGISTRY

from stream_app.models.tuned import Loaded, TunedModel
from stream_app.records import Scores, SentenceScores
from stream_app.testing.models import FakeModel, fake_scores, fake_summary
from tests.unit.roles.enrich_stage import ENGLISH, LONG_BAD, P0, SECONDS, review, run, staged
from tests.waiting import wait_until_async


def late_summaries() -> float:
    return REGISTRY.get_sample_value("stream_app_summaries_late_total") or 0.0


def test_best_effort_takes_the_best_sentence_when_t5_is_late_and_counts_it() -> None:
    async def scenario() -> None:
        async with staged(summary_wait_ms=20) as stage:
            before = late_summaries()
            stage.t5.gate.clear()
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "extractive"
            assert late_summaries() == before + 1
            stage.t5.gate.set()
            await wait_until_async(stage.role._device_is_idle, SECONDS, "T5's late answer")
            assert stage.acks.finished() == [0]

    run(scenario)


def test_best_effort_takes_t5_when_it_is_in_time() -> None:
    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000) as stage:
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert (stage.enriched()[0].summary, stage.enriched()[0].summary_method) == (
                "The kettle came",
                "abstractive",
            )

    run(scenario)


def test_best_effort_does_not_wait_where_t5_has_no_room() -> None:
    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000, waiting_tokens=200, micro_batch_tokens=1, batch_tokens=1) as stage:
            stage.t5.gate.clear()
            for offset in range(8):
                await stage.take(review(offset, LONG_BAD))
            await wait_until_async(stage.acks.finished, SECONDS, "one that T5 has no room for")
            assert {made.summary_method for made in stage.enriched().values()} == {"extractive"}

    run(scenario)


def test_summarizer_that_is_off_has_nothing_to_do() -> None:
    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            await stage.role.stop()
            stage.role._load = lambda _: Loaded(TunedModel(stage.bert, 1000, 1000), TunedModel(stage.t5, 1000, 1000))
            await stage.role.start(stage.acks)
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "none"
            assert stage.t5.ran == []

    run(scenario)


@pytest.mark.parametrize("background", [False, True])
def test_t5_begins_beside_one_of_two_busy_threads_of_bert_only_where_its_own_yield(background: bool) -> None:
    async def scenario() -> None:
        go_on = threading.Event()

        def scores(text: str) -> Scores:
            assert "slow" not in text or go_on.wait(SECONDS)
            return fake_scores(text)

        async with staged(summary_wait_ms=60_000) as stage:
            await stage.role.stop()
            bert: TunedModel[Scores] = TunedModel(FakeModel(scores, languages=ENGLISH), 1, 1000, workers=2)
            stage.role._load = lambda _: Loaded(bert, TunedModel(stage.t5, 1000, 1000, background=background))
            await stage.role.start(stage.acks)
            await stage.take(review(0, "slow"), review(1, LONG_BAD))
            await wait_until_async(lambda: bool(stage.acks.messages.get("reviews.alerts")), SECONDS, "BERT answered")
            await asyncio.sleep(0.3)  # long enough for T5 to begin, were it not held back
            assert bool(stage.t5.ran) == background
            go_on.set()
            await stage.finished(0, 1)
            assert stage.t5.ran

    run(scenario)


def test_best_effort_gives_t5_only_what_it_can_answer_in_time() -> None:
    """About 40 tokens each: the third begins while there is room, the others go out at once."""

    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000, t5_tokens_per_second=100 / 60) as stage:
            stage.t5.gate.clear()
            for offset in range(5):
                await stage.take(review(offset, LONG_BAD))
            await stage.finished(3, 4)
            assert {made.summary_method for made in stage.enriched().values()} == {"extractive"}
            stage.t5.gate.set()
            await stage.finished(0, 1, 2)
            assert [stage.enriched()[offset].summary_method for offset in range(3)] == ["abstractive"] * 3

    run(scenario)


def test_late_answer_halves_what_t5_is_given_and_answers_in_time_give_it_back() -> None:
    """However little that is, an idle T5 gets a review."""

    async def scenario() -> None:
        async with staged(summary_wait_ms=500, t5_tokens_per_second=200) as stage:
            windows = []
            for offset in range(8):
                stage.t5.gate.clear()
                await stage.take(review(offset, LONG_BAD))
                await stage.finished(offset)
                windows.append(stage.summaries.window.tokens)
                stage.t5.gate.set()
                await wait_until_async(stage.role._device_is_idle, SECONDS, "T5's late answer")
            assert windows == [50, 25, 12, 6, 3, 1, 1, 1]
            for offset in range(8, 12):
                await stage.take(review(offset, LONG_BAD))
                await stage.finished(offset)
                assert stage.enriched()[offset].summary_method == "abstractive"
            assert stage.summaries.window.tokens == 100

    run(scenario)


def test_text_that_was_answered_before_is_answered_from_memory_by_both_models() -> None:
    """Also where T5 has no room for anything new."""

    async def scenario() -> None:
        async with staged(cached_texts=10, summary_wait_ms=60_000) as stage:
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            stage.bert.gate.clear()
            stage.t5.gate.clear()
            stage.summaries.room = lambda: 0  # type: ignore[method-assign]
            await stage.take(review(1, LONG_BAD))
            await stage.finished(0, 1)
            first, second = stage.enriched()[0], stage.enriched()[1]
            assert (first.sentiment, first.summary) == (second.sentiment, second.summary)
            assert second.summary_method == "abstractive"
            stage.bert.gate.set()
            stage.t5.gate.set()

    run(scenario)


def test_best_effort_does_not_wait_where_bert_leaves_t5_no_pause() -> None:
    """BERT's queue is longer than a review waits: T5 could not begin in time."""

    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000) as stage:
            stage.summaries._bert_tokens_of_a_wait = -1
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "extractive"

    run(scenario)


def test_always_waits_for_t5_whatever_it_takes() -> None:
    async def scenario() -> None:
        async with staged(summaries="always", summary_wait_ms=1) as stage:
            stage.t5.gate.clear()
            await stage.take(review(0, LONG_BAD))
            await wait_until_async(lambda: stage.t5.ran, SECONDS, "T5 begins")
            await stage.take(review(1))
            await stage.finished(1)
            assert stage.acks.finished() == [1]
            stage.t5.gate.set()
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "abstractive"

    run(scenario)


_SMALL = {"waiting_tokens": 200, "micro_batch_tokens": 1, "batch_tokens": 1, "summary_wait_ms": 60_000}


def test_always_stops_fetching_while_t5_is_full() -> None:
    async def scenario() -> None:
        async with staged(summaries="always", **_SMALL) as stage:
            stage.t5.gate.clear()
            await stage.take(*(review(offset, LONG_BAD) for offset in range(8)))
            await wait_until_async(lambda: len(stage.acks.calls) == 8, SECONDS, "BERT raises eight alerts")
            assert not stage.role.has_room()  # at most three are with T5: its gate is closed
            stage.t5.gate.set()
            await wait_until_async(stage.role.has_room, SECONDS, "room after T5 caught up")

    run(scenario)


def test_best_effort_goes_on_fetching_although_t5_is_full() -> None:
    async def scenario() -> None:
        async with staged(**_SMALL) as stage:
            stage.t5.gate.clear()
            for offset in range(8):
                await stage.take(review(offset, LONG_BAD))
            await wait_until_async(stage.acks.finished, SECONDS, "one that T5 had no room for")
            await wait_until_async(stage.role.has_room, SECONDS, "BERT is through")

    run(scenario)


def test_failing_summary_leaves_the_best_sentence() -> None:
    async def scenario() -> None:
        async with staged(summaries="always") as stage:
            stage.t5.fails_on = lambda text: text == LONG_BAD
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "extractive"

    run(scenario)


@pytest.mark.parametrize("fails", [False, True])
def test_t5_that_reads_labels_is_given_what_says_the_same_as_the_review(fails: bool) -> None:
    """And where it fails, the best of these sentences is published."""
    title, arrived = "A kettle", "The kettle looked beautiful and arrived early in its nice red box last May."
    broke = "The handle of it broke off within two weeks."
    whole = f"{title}. {arrived} {broke}"
    sentences = (
        SentenceScores(0, len(title), (0.1, 0.8, 0.1), 0.0),
        SentenceScores(len(title) + 2, len(title) + 2 + len(arrived), (0.05, 0.05, 0.9), 0.0),
        SentenceScores(len(whole) - len(broke), len(whole), (0.9, 0.05, 0.05), 0.0),
    )
    t5 = FakeModel(lambda text: text.removeprefix("negative: ").rstrip("."), languages=ENGLISH)
    t5.fails_on = lambda text: fails and text.startswith("negative")
    bert = FakeModel(lambda text: Scores(0.9, 0.05, 0.05, sentences=sentences), languages=ENGLISH)

    async def scenario() -> None:
        loaded = Loaded(TunedModel(bert, 1000, 1000), TunedModel(t5, 1000, 1000, reads_label=True))
        async with staged(summaries="always", load=lambda _: loaded) as stage:
            await stage.take(review(0, f"{arrived} {broke}", title=title))
            await stage.finished(0)
            assert t5.ran[0] == [f"negative: {broke}"]
            published = stage.enriched()[0]
            assert (published.summary or "").rstrip(".") == broke.rstrip(".")
            assert published.summary_method == ("extractive" if fails else "abstractive")

    run(scenario)


def test_t5_is_not_given_a_sentence_that_was_cut() -> None:
    first, cut = "The lid of this kettle broke within two weeks of use. ", "And the shop has answered none of my many"
    sentences = (
        SentenceScores(0, len(first) - 1, (0.9, 0.1, 0.0), 0.0),
        SentenceScores(len(first), len(first + cut), (0.9, 0.1, 0.0), 0.0),
    )
    bert = FakeModel(lambda text: Scores(0.9, 0.1, 0.0, truncated=True, sentences=sentences), languages=ENGLISH)
    t5 = FakeModel(fake_summary, languages=ENGLISH)

    async def scenario() -> None:
        loaded = Loaded(TunedModel(bert, 1000, 1000), TunedModel(t5, 1000, 1000, reads_label=True))
        async with staged(summaries="always", load=lambda _: loaded) as stage:
            await stage.take(review(0, f"{first}{cut} letters."))
            await stage.finished(0)
            assert t5.ran[0] == [f"negative: {first.strip()}"]

    run(scenario)


def test_no_summary_where_they_are_off() -> None:
    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "none"

    run(scenario)


def test_reviews_that_wait_for_t5_alone_are_published_when_their_partition_goes() -> None:
    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000, micro_batch_tokens=1, batch_tokens=1) as stage:
            stage.t5.gate.clear()
            await stage.take(*(review(offset, LONG_BAD) for offset in range(6)))
            await wait_until_async(lambda: len(stage.acks.calls) == 6, SECONDS, "BERT raises six alerts")
            stage.role.drop_waiting(frozenset({P0}))
            await stage.finished(3, 4, 5)
            assert {stage.enriched()[offset].summary_method for offset in (3, 4, 5)} == {"extractive"}

    run(scenario)
