"""The role that fills a generation which is being built: it folds and acknowledges, and publishes nothing."""

from __future__ import annotations

import asyncio

from stream_app import contract
from stream_app.kafka.topics_admin import TopicFacts
from stream_app.rebuild.refusals import incomplete
from stream_app.rebuild.replay import NothingPublished, SideEffectFree
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.testing.kafka import FakeAcks, in_flight_of
from stream_app.testing.store import MemorySummaryStore
from tests.behaviour.enriched import NOW_MS, enriched
from tests.waiting import wait_until_async


def test_unreadable_record_is_acknowledged_and_not_sent_to_the_dead_letter_again() -> None:
    """It went there when it was read for the first time."""

    async def fold() -> FakeAcks:
        acks = FakeAcks()
        role = replay(MemorySummaryStore())
        await role.start(acks)
        await role.take([in_flight_of(b"{", 0), in_flight_of(contract.encode_enriched(enriched()), 1)])
        await wait_until_async(lambda: acks.finished() == [0, 1], 30, f"both are acknowledged: {acks.calls}")
        await role.stop()
        return acks

    assert asyncio.run(fold()).messages == {}


def replay(store: MemorySummaryStore) -> SideEffectFree:
    settings = Settings(_env_file=None, redis_settle_seconds=0.01)
    return SideEffectFree(Summarize(settings, store, NothingPublished(), now_ms=lambda: NOW_MS, fatal=_no_error))


def _no_error(error: BaseException) -> None:
    raise error


def test_whole_log_is_complete_and_a_cut_or_compacted_one_is_not() -> None:
    """Offsets that are gone are counted, so that a person can judge the loss."""
    assert incomplete(facts("for ever"), {0: 0, 1: 0}) is None
    cut = incomplete(facts("7 days"), {0: 0, 1: 12, 2: 30})
    assert cut is not None
    assert "partition 1 begins at 12, partition 2 begins at 30. 42 events are gone" in cut
    compacted = incomplete(facts("compacted"), {0: 0})
    assert compacted is not None
    assert "compacted" in compacted


def facts(retention: str) -> TopicFacts:
    return TopicFacts("reviews.enriched", 3, 100, retention)
