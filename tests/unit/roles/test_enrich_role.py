"""The role that enriches, with fake models: what is published, what is rejected, and what a rebalance leaves."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from prometheus_client import REGISTRY

from stream_app import contract
from stream_app.models.batcher import estimated_tokens
from stream_app.models.tuned import Loaded, TunedModel
from stream_app.records import Scores
from stream_app.testing.kafka import in_flight_of
from tests.unit.roles.enrich_stage import NOW_MS, P0, P1, SECONDS, review, run, staged
from tests.waiting import wait_until_async


@pytest.mark.parametrize("timestamp_ms", [-(2**63), -(10**15), -1, 0, 10**15, 2**63 - 1])
def test_no_timestamp_of_a_record_ends_the_worker(timestamp_ms: int) -> None:
    """Alone it is a reject with a name; next to a date it is not looked at, by the metric of latencies neither."""

    def latencies() -> float:
        return REGISTRY.get_sample_value("stream_app_enrich_seconds_sum") or 0.0

    async def scenario() -> None:
        async with staged() as stage:
            before = latencies()
            undated = {"product_id": "p", "review_id": "r", "text": "It broke."}
            dated = undated | {"created_at": contract.to_rfc3339(NOW_MS)}
            await stage.take(
                in_flight_of(orjson.dumps(undated), 0, timestamp_ms=timestamp_ms),
                in_flight_of(orjson.dumps(undated | {"deleted": True}), 1, timestamp_ms=timestamp_ms),
                in_flight_of(orjson.dumps(dated), 2, timestamp_ms=timestamp_ms),
                in_flight_of(orjson.dumps(dated | {"deleted": True}), 3, timestamp_ms=timestamp_ms),
            )
            await stage.finished(0, 1, 2, 3)
            assert stage.reasons() == ["invalid_timestamp"] * 2
            assert set(stage.enriched()) == {2, 3}
            assert latencies() == before

    run(scenario)


@pytest.mark.parametrize(
    ("batch_reviews", "reviews_per_second"), [(2, 0), (1, 40)], ids=["a batch, where not measured", "50 ms of work"]
)
def test_broker_may_gather_reviews_only_while_the_device_has_enough_to_do(
    batch_reviews: int, reviews_per_second: int
) -> None:
    """Two reviews are just enough."""

    async def scenario() -> None:
        one = estimated_tokens("I love it.")
        async with staged(summaries="off") as stage:
            await stage.role.stop()
            bert: TunedModel[Scores] = TunedModel(
                stage.bert, 1, batch_reviews * one, tokens_per_second=reviews_per_second * one
            )
            stage.role._load = lambda _: Loaded(bert, None)
            await stage.role.start(stage.acks)
            assert stage.role.fetch_wait_ms() == 0
            stage.bert.gate.clear()
            await stage.take(review(0), review(1))
            assert stage.role.fetch_wait_ms() == 0
            await stage.take(review(2))
            assert 0 < stage.role.fetch_wait_ms() <= 50  # an alert waits so much longer
            stage.bert.gate.set()
            await wait_until_async(lambda: not stage.role.fetch_wait_ms(), SECONDS, "BERT is idle")

    run(scenario)


def test_unreadable_record_goes_to_the_dead_letter_with_its_bytes() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(in_flight_of(b"{broken", 0, key=b"some key"), review(1), review(2, "<br>"))
            await stage.finished(0, 1, 2)
            [broken, _] = stage.acks.messages["reviews.dead-letter"]
            assert (broken.key, broken.value) == (b"some key", b"{broken")
            assert stage.reasons() == ["not_json", "empty_text"]
            assert set(stage.enriched()) == {1}

    run(scenario)


def test_review_that_the_model_fails_on_is_rejected_alone() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            stage.bert.fails_on = lambda text: text == "bad one"
            await stage.take(review(0), review(1, "bad one"), review(2))
            await stage.finished(0, 1, 2)
            assert stage.reasons() == ["model_failed"]
            assert set(stage.enriched()) == {0, 2}

    run(scenario)


def test_deletion_is_finished_without_a_model() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(review(0, deleted=True, revision=3))
            await stage.finished(0)
            made = stage.enriched()[0]
            assert (made.kind, made.revision, made.text) == ("deleted", 3, None)
            assert stage.bert.ran == []

    run(scenario)


def test_language_that_the_model_does_not_read_is_published_without_sentiment() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(review(0, "这个水壶很好用，我很喜欢"))
            await stage.finished(0)
            made = stage.enriched()[0]
            assert (made.sentiment, made.sentiment_missing) == (None, "unsupported_language")
            assert stage.bert.ran == []

    run(scenario)


def test_message_that_became_too_large_is_rejected() -> None:
    async def scenario() -> None:
        async with staged(max_message_bytes=1500) as stage:
            await stage.take(review(0, "word " * 280))
            await stage.finished(0)
            assert stage.reasons() == ["message_too_large"]

    run(scenario)


def test_key_that_is_not_the_product_is_counted() -> None:
    async def scenario() -> None:
        before = REGISTRY.get_sample_value("stream_app_key_mismatches_total") or 0.0
        async with staged() as stage:
            await stage.take(review(0), review(1, key=b"another"))
            await stage.finished(0, 1)
        assert REGISTRY.get_sample_value("stream_app_key_mismatches_total") == before + 1

    run(scenario)


def test_dropped_reviews_are_never_finished_and_started_ones_are_waited_for() -> None:
    async def scenario() -> None:
        async with staged(micro_batch_tokens=1, batch_tokens=1) as stage:
            stage.bert.gate.clear()
            await stage.take(*(review(offset) for offset in range(10)), review(100, partition=1))
            stage.role.drop_waiting(frozenset({P0}))  # with the gate closed at most three have been taken
            draining = asyncio.create_task(stage.role.finish_started(frozenset({P0})))
            stage.bert.gate.set()
            async with asyncio.timeout(SECONDS):
                await draining
            await stage.finished(100)
            assert set(stage.acks.finished()) <= {0, 1, 2, 100}

    run(scenario)


def test_nothing_started_is_finished_at_once() -> None:
    async def scenario() -> None:
        async with staged() as stage, asyncio.timeout(SECONDS):
            await stage.role.finish_started(frozenset({P0, P1}))

    run(scenario)
