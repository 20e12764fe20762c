"""Look-ups of summaries share round trips, and what did not change is not read again."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.records import AspectCounts, AspectSummary, Evidence, Mention, Quote
from stream_app.store import packing
from stream_app.store.reads import SummaryReads
from stream_app.store.server import Server
from tests.unit.store.hash_server import HOUR_MS, KEYS, NOW_MS, TEXT, HashServer

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


async def reviews_of(reads: SummaryReads, *product_ids: str, now_ms: int = NOW_MS) -> list[int | None]:
    """How many reviews of the last 24 hours each product has."""
    found = await reads.read(product_ids, now_ms)
    return [None if one is None else one.windows["24h"].reviews for one in found]


async def test_product_that_has_not_changed_is_not_read_whole_again(server: HashServer, reads: SummaryReads) -> None:
    """Only what tells whether it changed is asked; the answer is as of the new time."""
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)

    [summary] = await reads.read(["p"], NOW_MS + 5)

    assert server.trips == [["HGETALL", "HVALS"], ["HMGET"]]
    assert summary is not None
    assert (summary.as_of_ms, summary.windows["24h"].reviews) == (NOW_MS + 5, 3)


async def test_product_that_changed_is_read_again(server: HashServer, reads: SummaryReads) -> None:
    """Next to one that did not, and one that is unknown."""
    server.put("changes", 3)
    server.put("stays", 7)
    assert await reviews_of(reads, "stays", "changes", "unknown") == [7, 3, None]
    server.put("changes", 4)

    assert await reviews_of(reads, "stays", "changes", "unknown") == [7, 4, None]


@pytest.mark.parametrize(
    ("name", "now"),
    [(b"version", b"4"), (b"texts", b"1"), (b"text", TEXT), (b"newest", b"1"), (b"totals", b"0 0 9 0 0 0 0 0 9 0")],
)
async def test_each_telling_field_tells(server: HashServer, reads: SummaryReads, name: bytes, now: bytes) -> None:
    """Totals too: a server that forgot its last moments gives their version numbers again."""
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)
    server.hashes[KEYS.product("p").state][name] = now

    await reads.read(["p"], NOW_MS)

    assert server.trips[1:] == [["HMGET"], ["HGETALL", "HVALS"]]


async def test_product_is_summed_again_in_another_hour(server: HashServer, reads: SummaryReads) -> None:
    """Nothing changed but the clock: the reviews have left the window of 24 hours."""
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)

    assert await reviews_of(reads, "p", now_ms=NOW_MS + 26 * HOUR_MS) == [0]


async def test_quotes_are_of_the_sentences_kept_now(server: HashServer, reads: SummaryReads) -> None:
    """A review that was deleted took its sentence with it."""
    server.put("p", 1)
    keys = KEYS.product("p")
    server.hashes[keys.state] |= {b"aspect_letters": b" look=A", b"aspects": b";A 1 0 1"}
    mentions = (Mention(0, 7, "positive", ("look",)),)
    evidence = Evidence("r", 0, NOW_MS, "positive", 0, 5, "Pretty.", "en", mentions)
    server.hashes[keys.sentences] = {b"r": packing.pack_evidence(evidence)}
    [summary] = await reads.read(["p"], NOW_MS)
    assert summary is not None
    assert summary.aspects is not None
    assert summary.aspects["look"].quote == Quote("r", 0, "positive", "Pretty.")

    server.put("p", 2)
    server.hashes[keys.state] |= {b"aspect_letters": b" look=A", b"aspects": b";A 1 0 1"}
    del server.hashes[keys.sentences]
    [summary] = await reads.read(["p"], NOW_MS)
    assert summary is not None
    assert summary.aspects == {"look": AspectSummary({"30d": AspectCounts(), "all": AspectCounts(1, 0, 1)}, None)}


async def test_product_that_is_gone_is_unknown(server: HashServer, reads: SummaryReads) -> None:
    """As after a FLUSHALL."""
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)
    server.hashes.clear()

    assert await reads.read(["p"], NOW_MS) == [None]


async def under_way(server: HashServer, reads: SummaryReads) -> asyncio.Task[list[int | None]]:
    """A look-up whose trip has begun and is held up, until ``server.held`` is set."""
    server.held = asyncio.Event()
    first = asyncio.create_task(reviews_of(reads, "p0"))
    while not server.trips:
        await asyncio.sleep(0)
    return first


async def test_look_ups_that_come_meanwhile_share_the_next_trip(server: HashServer, reads: SummaryReads) -> None:
    """The first is on its way; the others go out together behind it."""
    for number in range(5):
        server.put(f"p{number}", number)
    first = await under_way(server, reads)
    others = [asyncio.create_task(reviews_of(reads, f"p{number}")) for number in range(1, 5)]
    await asyncio.sleep(0)
    assert len(server.trips) == 1

    assert server.held is not None
    server.held.set()

    assert [await first, *[await one for one in others]] == [[0], [1], [2], [3], [4]]
    assert [len(trip) for trip in server.trips] == [2, 8]


async def test_nodes_of_a_cluster_fail_one_by_one(server: HashServer) -> None:
    """Nothing is gathered there: the trip of a look-up goes to its own node."""
    server.is_cluster = True
    server.put("p0", 0)
    server.put("p1", 1)
    reads = SummaryReads(cast(Server, server), KEYS)

    assert list(await asyncio.gather(reviews_of(reads, "p0"), reviews_of(reads, "p1"))) == [[0], [1]]
    assert [len(trip) for trip in server.trips] == [2, 2]


async def test_no_more_summaries_are_kept_than_the_bound(
    server: HashServer, reads: SummaryReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for the longest ago is read whole again."""
    monkeypatch.setattr("stream_app.store.reads.SUMMARIES_KEPT", 2)
    for product_id in ("a", "b", "c"):
        server.put(product_id, 1)
        await reads.read([product_id], NOW_MS)
    server.trips.clear()

    await reads.read(["c"], NOW_MS)
    await reads.read(["a"], NOW_MS)

    assert server.trips == [["HMGET"], ["HGETALL", "HVALS"]]


async def test_broken_key_of_one_look_up_is_not_the_others_error(server: HashServer, reads: SummaryReads) -> None:
    """Each is asked by itself then."""
    server.put("good", 3)
    server.broken.add(KEYS.product("bad").state)

    bad, good = await asyncio.gather(reviews_of(reads, "bad"), reviews_of(reads, "good"), return_exceptions=True)

    assert isinstance(bad, ValueError)
    assert good == [3]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ConfigurationError("refused")])
async def test_failed_trip_is_reported_to_everyone_at_once(
    server: HashServer, reads: SummaryReads, error: Exception
) -> None:
    """To those who came meanwhile too: another trip would take them as long to fail. The next ones are answered."""
    server.put("p0", 3)
    first = await under_way(server, reads)
    others = [asyncio.create_task(reviews_of(reads, "p0")) for _ in range(3)]
    await asyncio.sleep(0)
    server.error = error
    assert server.held is not None
    server.held.set()

    found = await asyncio.gather(first, *others, return_exceptions=True)
    assert found == [error] * 4
    assert len(server.trips) == 1

    server.error = None
    assert await reviews_of(reads, "p0") == [3]


async def test_look_up_that_was_given_up_does_not_disturb_the_others(server: HashServer, reads: SummaryReads) -> None:
    """A caller that went away, as one whose client closed its connection: no second question is asked for it."""
    server.put("p0", 3)
    given_up = await under_way(server, reads)
    waiting = asyncio.create_task(reviews_of(reads, "p0"))
    await asyncio.sleep(0)
    given_up.cancel()
    assert server.held is not None
    server.held.set()

    assert await waiting == [3]
    assert len(server.trips) == 2


async def test_closing_leaves_no_one_waiting(server: HashServer, reads: SummaryReads) -> None:
    """Neither who is on the way nor who came meanwhile."""
    first = await under_way(server, reads)
    second = asyncio.create_task(reviews_of(reads, "p0"))
    await asyncio.sleep(0)

    reads.close()

    found = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 30)
    assert [type(one) for one in found] == [asyncio.CancelledError] * 2


async def test_digest_of_an_unchanged_product_is_not_composed_again(
    server: HashServer, reads: SummaryReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cached with its summary."""
    server.put("p", 5)
    [first] = await reads.read(["p"], NOW_MS)

    monkeypatch.delattr("stream_app.steps.product_summary.digest_of")
    [second] = await reads.read(["p"], NOW_MS + 5)
    assert first is not None
    assert second is not None
    assert second.digest is first.digest is not None


async def test_digest_carries_where_readers_report_it(server: HashServer) -> None:
    server.put("a/b", 5)
    with_url = SummaryReads(cast(Server, server), KEYS, "https://shop.example/flag/{product_id}")

    for reads, url in ((with_url, "https://shop.example/flag/a%2Fb"), (SummaryReads(cast(Server, server), KEYS), None)):
        [summary] = await reads.read(["a/b"], NOW_MS)
        assert summary is not None
        assert summary.digest is not None
        assert summary.digest.flag_url == url
