"""Look-ups of summaries share round trips, and what did not change is not read again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from stream_app.ports import StoreUnavailable
from stream_app.records import ProductText
from stream_app.store import packing
from stream_app.store.keys import Keys
from stream_app.store.reads import SummaryReads
from stream_app.store.server import Command, Server

pytestmark = pytest.mark.anyio

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
TEXT = packing.pack_text(ProductText("Good.", "Good.", "abstractive", (), None, NOW_MS))
KEYS = Keys(1)


class HashServer:
    """The two commands that reads use, on hashes in memory; ``trips`` has the commands of each round trip."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.broken: set[str] = set()
        self.away = False
        self.trips: list[list[str]] = []

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """As Server.run."""
        self.trips.append([command[0] for command in commands])
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")
        if broken := self.broken.intersection(command[1] for command in commands):
            raise ValueError(f"{broken} hold no hash")
        return [self._answer(*command) for command in commands]

    def _answer(self, name: str, key: str, *fields: str) -> Any:
        held = self.hashes.get(key, {})
        return dict(held) if name == "HGETALL" else [held.get(one.encode()) for one in fields]

    def put(self, product_id: str, reviews: int) -> None:
        """A product with so many positive reviews of five stars, all of this hour."""
        tally = f"0 0 {reviews} 0 0 0 0 0 {reviews} 0".encode()
        day, hour = divmod(NOW_MS // HOUR_MS, 24)
        self.hashes[KEYS.product(product_id).state] = {
            b"version": str(reviews).encode(),
            b"totals": tally,
            b"newest": str(NOW_MS).encode(),
            str(day).encode(): b";%d %s" % (hour, tally),
        }


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

    assert server.trips == [["HGETALL"], ["HMGET"]]
    assert summary is not None
    assert (summary.as_of_ms, summary.windows["24h"].reviews) == (NOW_MS + 5, 3)


async def test_product_that_changed_is_read_anew(server: HashServer, reads: SummaryReads) -> None:
    """Beside one that did not, and one that is unknown."""
    server.put("changes", 3)
    server.put("stays", 7)
    assert await reviews_of(reads, "stays", "changes", "unknown") == [7, 3, None]
    server.put("changes", 4)

    assert await reviews_of(reads, "stays", "changes", "unknown") == [7, 4, None]


@pytest.mark.parametrize(
    ("name", "now"), [(b"texts", b"1"), (b"text", TEXT), (b"newest", b"1"), (b"totals", b"0 0 9 0 0 0 0 0 9 0")]
)
async def test_each_telling_field_tells(server: HashServer, reads: SummaryReads, name: bytes, now: bytes) -> None:
    """Totals too: a server that forgot its last moments gives their version numbers again."""
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)
    server.hashes[KEYS.product("p").state][name] = now

    await reads.read(["p"], NOW_MS)

    assert server.trips[1:] == [["HMGET"], ["HGETALL"]]


async def test_product_is_summed_anew_in_another_hour(server: HashServer, reads: SummaryReads) -> None:
    """Nothing changed but the clock: the reviews have left the window of 24 hours."""
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)

    assert await reviews_of(reads, "p", now_ms=NOW_MS + 26 * HOUR_MS) == [0]


async def test_product_that_is_gone_is_unknown(server: HashServer, reads: SummaryReads) -> None:
    """As after a FLUSHALL."""
    server.put("p", 3)
    await reads.read(["p"], NOW_MS)
    server.hashes.clear()

    assert await reads.read(["p"], NOW_MS) == [None]


async def test_look_ups_at_the_same_time_share_round_trips(server: HashServer, reads: SummaryReads) -> None:
    """Those that come while the first is on its way go out together behind it."""
    for number in range(5):
        server.put(f"p{number}", number)

    found = await asyncio.gather(*(reviews_of(reads, f"p{number}") for number in range(5)))

    assert found == [[0], [1], [2], [3], [4]]
    assert len(server.trips) <= 2


async def test_broken_key_of_one_look_up_is_not_the_others_error(server: HashServer, reads: SummaryReads) -> None:
    """Each is asked by itself then."""
    server.put("good", 3)
    server.broken.add(KEYS.product("bad").state)

    bad, good = await asyncio.gather(reviews_of(reads, "bad"), reviews_of(reads, "good"), return_exceptions=True)

    assert isinstance(bad, ValueError)
    assert good == [3]


async def test_store_that_is_away_is_told_to_every_look_up(server: HashServer, reads: SummaryReads) -> None:
    """And once it is back, the next ones are answered."""
    server.put("p", 3)
    server.away = True
    found = await asyncio.gather(*(reviews_of(reads, "p") for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable] * 3

    server.away = False

    assert await reviews_of(reads, "p") == [3]


async def test_look_up_that_was_given_up_does_not_disturb_the_others(server: HashServer, reads: SummaryReads) -> None:
    """A caller that went away, as one whose client closed its connection."""
    server.put("p", 3)
    given_up = asyncio.create_task(reviews_of(reads, "p"))
    waiting = asyncio.create_task(reviews_of(reads, "p"))
    await asyncio.sleep(0)
    given_up.cancel()

    assert await waiting == [3]
