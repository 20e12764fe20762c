"""The stream of changes that the page lives on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import httpx
import orjson
import pytest

from stream_app.api.app import create_app
from stream_app.api.live import LiveFeed
from stream_app.ports import SummaryStore
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import NOW_MS, alert, summary


def feed_of(view: CannedSummaryReader, **options: Any) -> LiveFeed:
    return LiveFeed(cast(SummaryStore, view), lambda: NOW_MS, lambda: 1, **{"interval_seconds": 0.01, **options})


async def next_events(stream: AsyncIterator[bytes]) -> list[tuple[str, Any]]:
    chunk = await asyncio.wait_for(anext(stream), 30)
    parts = [block.split(b"\n") for block in chunk.strip().split(b"\n\n")]
    events = [
        (name.removeprefix(b"event: ").decode(), orjson.loads(data.removeprefix(b"data: "))) for name, data in parts
    ]
    return [event for event in events if event[0] != "beat"]


def names(events: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(name, data.get("product_id") if name != "alert" else data["alert_id"]) for name, data in events]


def test_client_first_gets_everything_then_only_what_changed() -> None:
    async def scenario() -> None:
        view = CannedSummaryReader(summary("a"), summary("b"), alerts=[alert("new"), alert("old")])
        async with aclosing(feed_of(view).events()) as stream:
            first = await next_events(stream)
            assert first[0] == ("store", {"available": True})
            assert names(first[1:]) == [("product", "a"), ("product", "b"), ("alert", "old"), ("alert", "new")]
            view.summaries["b"] = summary("b", version=2)
            view.alerts.insert(0, alert("newest"))
            assert names(await next_events(stream)) == [("product", "b"), ("alert", "newest")]
            view.alerts[1] = alert("new", severity="critical")
            worse = await next_events(stream)
            assert names(worse) == [("alert", "new")]
            assert worse[0][1]["severity"] == "critical"
            del view.summaries["a"]
            assert names(await next_events(stream)) == [("gone", "a")]

    asyncio.run(scenario())


def test_store_that_goes_and_returns_is_said_and_nothing_is_forgotten() -> None:
    async def scenario() -> None:
        view = CannedSummaryReader(summary("a"))
        async with aclosing(feed_of(view).events()) as stream:
            await next_events(stream)
            view.away = True
            assert await next_events(stream) == [("store", {"available": False})]
            view.away = False
            assert await next_events(stream) == [("store", {"available": True})]

    asyncio.run(scenario())


def test_view_that_nobody_watched_is_not_shown_while_the_store_is_away() -> None:
    """Reviews may have been deleted meanwhile."""

    async def scenario() -> None:
        view = CannedSummaryReader(summary("a"), alerts=[alert("old")])
        feed = feed_of(view)
        with feed.place("one"):
            async with aclosing(feed.events()) as stream:
                assert ("product", "a") in names(await next_events(stream))
            with feed.place("two"):
                pass
            view.away = True
            async with aclosing(feed.events()) as stream:
                assert ("product", "a") in names(await next_events(stream)), "it was watched"
        with feed.place("one"):
            async with aclosing(feed.events()) as stream:
                assert await next_events(stream) == [("store", {"available": False})]

    asyncio.run(scenario())


def test_all_clients_together_read_the_store_once_per_interval() -> None:
    async def scenario() -> None:
        view = CannedSummaryReader(summary("a"))
        feed = feed_of(view, interval_seconds=3600)
        streams = [feed.events() for _ in range(50)]
        await asyncio.gather(*(next_events(stream) for stream in streams))
        assert view.trips == 3  # ids, summaries, alerts
        for stream in streams:
            await stream.aclose()

    asyncio.run(scenario())


def test_silent_stream_beats_so_that_clients_know_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_app.api.live._BEAT_SECONDS", 0.02)

    async def scenario() -> None:
        async with aclosing(feed_of(CannedSummaryReader()).events()) as stream:
            await next_events(stream)
            assert await asyncio.wait_for(anext(stream), 30) == b"event: beat\ndata: {}\n\n"

    asyncio.run(scenario())


def test_closing_ends_every_stream_at_once() -> None:
    async def scenario() -> None:
        feed = feed_of(CannedSummaryReader(), interval_seconds=3600)
        stream = feed.events()
        await next_events(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        feed.close()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(waiting, 30)

    asyncio.run(scenario())


def test_one_client_too_many_is_turned_away_and_a_place_left_is_free_again() -> None:
    async def scenario() -> None:
        view = CannedSummaryReader()
        feed = feed_of(view, max_clients=1)
        app = create_app(cast(SummaryStore, view), now_ms=lambda: NOW_MS, feed=feed)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            with feed.place():
                response = await client.get("/v1/events")
        assert response.status_code == 503
        assert response.headers["retry-after"] == "30"
        assert not feed.is_full()

    asyncio.run(scenario())


def test_one_address_does_not_take_every_stream() -> None:
    feed = feed_of(CannedSummaryReader(), max_clients=10, max_clients_per_address=2)
    with feed.place("192.0.2.1"):
        with feed.place("192.0.2.1"):
            assert feed.is_full("192.0.2.1")
            assert not feed.is_full("192.0.2.2")
        assert not feed.is_full("192.0.2.1")


def test_streams_asked_for_at_the_same_moment_are_no_more_than_there_are_places() -> None:
    """A stream counted from its first event on: all that came before that were let in."""

    async def scenario() -> None:
        feed = feed_of(CannedSummaryReader(), max_clients=10, max_clients_per_address=2)
        app = create_app(cast(SummaryStore, CannedSummaryReader()), now_ms=lambda: NOW_MS, feed=feed)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            asked = [asyncio.create_task(client.get("/v1/events")) for _ in range(8)]
            for _ in range(200):  # turns of the loop, which is all there is: each is answered, or has its stream
                await asyncio.sleep(0)
            feed.close()
            answered = await asyncio.gather(*asked)
        assert sorted(response.status_code for response in answered) == [200] * 2 + [503] * 6
        assert not feed.is_full("127.0.0.1")

    asyncio.run(scenario())


def test_review_text_cannot_end_an_event_and_begin_another() -> None:
    async def scenario() -> None:
        view = CannedSummaryReader(summary("a", headline="x\n\nevent: alert\ndata: {}\n\n"))
        async with aclosing(feed_of(view).events()) as stream:
            assert names((await next_events(stream))[1:]) == [("product", "a")]

    asyncio.run(scenario())
