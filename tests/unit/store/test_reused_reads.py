"""Look-ups reuse what others read a moment ago, and keep no words that are gone."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from stream_app.records import Evidence, ProductSummary
from stream_app.steps import product_summary
from stream_app.steps.fold import ProductState
from stream_app.store import packing
from stream_app.store.reads import SummaryReads
from stream_app.store.server import Server
from tests.unit.store.hash_server import KEYS, NOW_MS, HashServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The loop that we run on."""
    return "asyncio"


@pytest.fixture
def server() -> HashServer:
    return HashServer()


@pytest.fixture
def reads(server: HashServer) -> SummaryReads:
    return SummaryReads(cast(Server, server), KEYS)


async def test_what_is_reused_is_recent(server: HashServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """For so long Redis is not asked again, and the answer says when it was; then a change is seen."""
    now = 100.0
    monkeypatch.setattr("stream_app.store.reads.time.monotonic", lambda: now)
    reads = SummaryReads(cast(Server, server), KEYS, reuse_seconds=0.2)
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)
    server.put("p", 4)
    now += 0.19

    [reused, unknown] = await reads.read(["p", "unknown"], NOW_MS + 190)

    assert reused is not None
    assert (reused.as_of_ms, reused.windows["24h"].reviews, unknown) == (NOW_MS, 3, None)
    assert server.trips == [["HGETALL", "HVALS"], ["HGETALL", "HVALS"]]  # the second of the unknown one
    now += 0.02
    [fresh] = await reads.read(["p"], NOW_MS + 210)
    assert fresh is not None
    assert (fresh.as_of_ms, fresh.windows["24h"].reviews) == (NOW_MS + 210, 4)


async def test_asking_counts_from_the_last_time_not_from_the_last_change(
    server: HashServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("stream_app.store.reads.time.monotonic", lambda: now)
    reads = SummaryReads(cast(Server, server), KEYS, reuse_seconds=0.2)
    server.put("p", 3)
    for _ in range(4):
        await reads.read(["p"], NOW_MS)
        now += 0.15

    assert server.trips == [["HGETALL", "HVALS"], ["HMGET"]]


async def test_changed_product_that_many_ask_for_is_summed_once(
    server: HashServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the one in demand whose reading takes longest."""
    reads = SummaryReads(cast(Server, server), KEYS, reuse_seconds=0.2)
    summed, summary_of = [], product_summary.summary_of

    def counted(state: ProductState, *rest: Any) -> ProductSummary:
        summed.append(state.product_id)
        return summary_of(state, *rest)

    monkeypatch.setattr(product_summary, "summary_of", counted)
    now = 100.0
    monkeypatch.setattr("stream_app.store.reads.time.monotonic", lambda: now)
    for reviews in (3, 4):
        server.put("p", reviews)
        summed.clear()

        found = await asyncio.gather(*(reads.read(["p"], NOW_MS + number) for number in range(5)))

        assert summed == ["p"]
        assert {one.windows["24h"].reviews for [one] in found if one is not None} == {reviews}
        now += 1


async def test_words_that_are_gone_are_not_kept(
    server: HashServer, reads: SummaryReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stays is unpacked once; of products read long ago nothing is kept."""
    unpacked, unpack = [], packing.unpack_evidence

    def noted(packed: bytes) -> Evidence:
        unpacked.append(packed)
        return unpack(packed)

    monkeypatch.setattr(packing, "unpack_evidence", noted)
    key = KEYS.product("p")
    gone, stays, new = (
        packing.pack_evidence(Evidence(name, 0, NOW_MS, "positive", 0, 5, f"The words of {name}."))
        for name in ("gone", "stays", "new")
    )
    server.put("p", 2)
    server.hashes[key.sentences] = {b"gone": gone, b"stays": stays}
    await reads.read(["p"], NOW_MS)
    server.put("p", 3)
    server.hashes[key.sentences] = {b"stays": stays, b"new": new}

    await reads.read(["p"], NOW_MS)

    assert unpacked == [gone, stays, new]
    assert [*reads._sentences["p"]] == [stays, new]
    monkeypatch.setattr("stream_app.store.reads._SENTENCES_KEPT_OF", 1)
    server.put("another", 1)
    await reads.read(["another"], NOW_MS)
    assert [*reads._sentences] == ["another"]


async def test_later_answer_to_an_earlier_look_up_does_not_turn_time_back(
    server: HashServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster, where each look-up is a trip of its own."""
    now = 100.0
    monkeypatch.setattr("stream_app.store.reads.time.monotonic", lambda: now)
    server.is_cluster = True
    reads = SummaryReads(cast(Server, server), KEYS, reuse_seconds=0.2)
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)
    now, server.held = 101.0, asyncio.Event()
    slow = asyncio.create_task(reads.read(["p"], NOW_MS + 1000))
    for _ in range(5):
        await asyncio.sleep(0)  # the loop's clock stands still, too
    held, server.held, now = server.held, None, 102.0
    await reads.read(["p"], NOW_MS + 2000)
    held.set()

    for found in (await slow, await reads.read(["p"], NOW_MS + 2001)):
        [one] = found
        assert one is not None
        assert one.as_of_ms == NOW_MS + 2000
