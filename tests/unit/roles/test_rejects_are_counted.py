"""Each role counts what it puts into the dead letter, by reason: people are called by that number."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from stream_app.roles.notify.role import Notify
from stream_app.settings import Settings
from stream_app.testing.kafka import FakeAcks, in_flight_of
from stream_app.testing.store import MemorySummaryStore
from tests.unit.roles import enrich_stage, test_summarize_role
from tests.unit.roles.delivery_stage import Stage


async def _enrich() -> FakeAcks:
    async with enrich_stage.staged() as stage:
        await stage.take(in_flight_of(b"{broken", 0))
        await stage.finished(0)
        return stage.acks


async def _summarize() -> FakeAcks:
    async with test_summarize_role.staged() as stage:
        await stage.role.take([in_flight_of(b"{broken", 0)])
        return stage.acks


def _raise(error: BaseException) -> None:
    raise error


async def _notify() -> FakeAcks:
    acks, role = FakeAcks(), Notify(Settings(_env_file=None), MemorySummaryStore(), Stage().deliveries, fatal=_raise)
    await role.start(acks)
    await role.take([in_flight_of(b"{broken", 0)])
    return acks


def _counted() -> float:
    samples = next(metric for metric in REGISTRY.collect() if metric.name == "stream_app_reviews_rejected").samples
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


@pytest.mark.parametrize("role", [_enrich, _summarize, _notify])
def test_reject_is_counted_once_and_published_with_its_bytes(role) -> None:  # type: ignore[no-untyped-def]
    before = _counted()
    acks = asyncio.run(role())
    [dead_letter] = acks.messages["reviews.dead-letter"]
    assert (dead_letter.value, acks.finished()) == (b"{broken", [0])
    assert _counted() == before + 1
