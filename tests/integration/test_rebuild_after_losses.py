"""`stream-app rebuild` where Redis lost the view or Kafka lost the log: it is refused, or the view is made again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from stream_app.commands.check import _view
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.topics_admin import create_topics
from stream_app.ports import ConfigurationError, ViewLost
from stream_app.roles import older_view
from stream_app.roles.admission import admitted
from stream_app.store.keys import Namespace
from tests.behaviour.enriched import deletion, enriched
from tests.integration.place import Place, answer_of, reviews_of, summary_of
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


def backup_of(place: Place, keys: Sequence[bytes]) -> dict[bytes, Any]:
    return {key: place.redis.dump(key) for key in keys}


def restore(place: Place, backup: Mapping[bytes, Any]) -> None:
    """All keys as they were, or of one generation: those are named that it had."""
    with place.redis.pipeline(transaction=True) as pipeline:
        for key, value in backup.items():
            pipeline.restore(key, 0, value, replace=True)
        pipeline.execute()


def test_log_that_lost_its_beginning_is_refused(place: Place) -> None:
    """Nothing changes, the message says what is missing; with --accept-loss the rest becomes the view."""
    place.publish_reviews([enriched(f"r{number}", f"p{number}") for number in range(60)])
    ends = end_offsets(place.settings, place.topics.enriched)
    admin = AdminClient({"bootstrap.servers": place.settings.brokers})
    cut = {number: min(2, end) for number, end in ends.items()}
    for done in admin.delete_records([TopicPartition(place.topics.enriched, n, at) for n, at in cut.items()]).values():
        done.result(10)

    refused = place.rebuild()
    assert refused.ends() == 2
    assert "partition 0 begins at 2" in " ".join(refused.said().split())
    assert "--accept-loss" in refused.said()
    assert place.redis.hgetall(Namespace.of(place.settings).generations) == {}

    accepted = place.rebuild("--accept-loss")
    assert accepted.ends() == 0, accepted.said()
    assert len(place.view(2)) == 60 - sum(cut.values())


@pytest.mark.parametrize("meanwhile", ["it runs", pytest.param("it is stopped", marks=pytest.mark.slow)])
def test_view_that_redis_lost_is_not_counted_again_until_it_is_rebuilt(place: Place, meanwhile: str) -> None:
    """FLUSHALL: `summarize` ends with what to do, the API says that its answers are stale; a rebuild heals all."""
    place.publish_reviews([enriched(f"r{number}") for number in range(11)])
    with place.live() as live:
        place.caught_up(1, live.keep_running)
        wait_until(lambda: summary_of(live.page, "p")["windows"]["all"]["reviews"] == 11, 20, "the page shows them")
        assert "stale" not in summary_of(live.page, "p")
        if meanwhile == "it runs":
            place.redis.flushall()
    if meanwhile == "it is stopped":
        place.redis.flushall()
    committed = place.folded(1)

    place.publish_reviews([enriched("r11")])
    with place.live() as live:
        log = place.folder / "logs" / "summarize.log"
        words = "Redis lost the view or a part of it, the log is whole: run `stream-app rebuild`."

        def said() -> bool:
            live.keep_running()
            return words in log.read_text(errors="replace")

        wait_until(said, 60, "`summarize` says what to do")
        assert answer_of(live.page, "v1/products?ids=p") == {"products": [], "unknown": ["p"], "stale": True}
        assert "being restored" in answer_of(live.page, "v1/products/p/summary")["detail"]
        assert "stream-app rebuild" in answer_of(live.page, "readyz")["next_step"]
        assert place.folded(1) == committed, "nothing is acknowledged"
        with pytest.raises(ViewLost):  # `stream-app check` prints it
            _view(place.settings)
        assert "The view was lost, the log was not" in place.command("product", "p")

        rebuilding = place.rebuild()
        while rebuilding.process.poll() is None:
            live.keep_running()
            time.sleep(0.1)
        assert rebuilding.ends() == 0, rebuilding.said()
        place.publish_reviews([enriched("r12")])

        def whole() -> bool:
            live.keep_running()
            found = answer_of(live.page, "v1/products?ids=p")
            counts = [one["windows"]["all"]["reviews"] for one in found["products"]]
            return (counts, found.get("stale")) == ([13], None)

        wait_until(whole, 60, "everything is served again")


def test_flushed_while_it_works_the_workers_end_with_nothing_acknowledged(place: Place) -> None:
    """A review in the same second is not counted into the empty view as if it were the first."""
    place.publish_reviews([enriched(f"r{number}") for number in range(11)])
    with place.live() as live:
        place.caught_up(1, live.keep_running)
        committed = place.folded(1)
        place.redis.flushall()
        place.publish_reviews([enriched("r11")])

        def ended() -> bool:
            live.keep_running()
            lines = (place.folder / "logs" / "summarize.log").read_text(errors="replace").splitlines()
            return any("process_ends" in line and "Redis lost the view" in line for line in lines)

        wait_until(ended, 30, "`summarize` ends")
        assert place.folded(1) == committed
        assert place.keys_of(1) == []


@pytest.mark.parametrize("meanwhile", ["it runs", "it is stopped"])
def test_redis_that_came_back_with_older_data_is_rebuilt(place: Place, meanwhile: str) -> None:
    """A backup was restored: `summarize` ends with what to do, and counts nothing on top of it."""
    place.publish_reviews([enriched(f"r{number}", f"p{number % 3}") for number in range(30)])
    place.fold()
    backup = backup_of(place, [*place.redis.scan_iter()])
    place.publish_reviews([enriched(f"r{number}", f"p{number % 3}") for number in range(30, 90)])

    with place.live() as live:
        place.caught_up(1, live.keep_running)
        if meanwhile == "it runs":
            restore(place, backup)
    if meanwhile == "it is stopped":
        restore(place, backup)
    committed = place.folded(1)

    place.publish_reviews([enriched("r90", "p0")])
    with place.live() as live:
        log = place.folder / "logs" / "summarize.log"

        def said() -> bool:
            live.keep_running()
            return "Redis lost the view or a part of it" in log.read_text(errors="replace")

        wait_until(said, 60, "`summarize` says what to do")
        assert place.folded(1) == committed
        assert answer_of(live.page, "v1/products?ids=p0")["stale"]

        rebuilding = place.rebuild()
        while rebuilding.process.poll() is None:
            live.keep_running()
            time.sleep(0.1)
        assert rebuilding.ends() == 0, rebuilding.said()

        def whole() -> bool:
            live.keep_running()
            found = answer_of(live.page, "v1/products?ids=p0,p1,p2")
            counts = [one["windows"]["all"]["reviews"] for one in found["products"]]
            return (sum(counts), found.get("stale")) == (91, None)

        wait_until(whole, 60, "everything is counted again")


def test_backup_that_lacks_deletions_alone_is_an_older_one(place: Place) -> None:
    """They carry the revision that stands: the words of deleted reviews would be served for good."""
    place.publish_reviews([enriched(f"r{number}", revision=1) for number in range(5)])
    place.fold()
    backup = backup_of(place, place.keys_of(1))
    place.publish_reviews([deletion(f"r{number}", revision=1) for number in range(5)])
    place.fold()
    restore(place, backup)

    with pytest.raises(ViewLost):
        asyncio.run(admitted(place.settings, "summarize"))


def test_rebuild_that_was_begun_and_came_back_older_is_begun_again(place: Place) -> None:
    place.publish_reviews([enriched(f"r{number}") for number in range(30)])
    place.fold(1)
    place.fold(2)
    backup = backup_of(place, place.keys_of(2))
    place.publish_reviews([enriched(f"r{number}") for number in range(30, 60)])
    place.fold(1)
    place.fold(2)
    place.redis.hset(Namespace.of(place.settings).generations, mapping={"building": 2, "last": 2})
    restore(place, backup)

    rebuilt = place.rebuild()
    assert rebuilt.ends() == 0, rebuilt.said()
    assert "Generation 2, begun earlier, is discarded." in rebuilt.said()
    assert place.active() == 3
    assert len(place.view(3)["p"][1]) == 60


def test_partition_that_grows_while_events_are_looked_up_is_left_out(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.publish_reviews([enriched(f"r{number}", f"p{number}") for number in range(30)])
    ends = end_offsets(place.settings, place.topics.enriched)
    monkeypatch.setattr(older_view, "end_offsets", lambda *_: dict.fromkeys(ends, 0))

    found = older_view._events(place.of(1), {}, {0: 2})

    assert sum(len(states) for states in found.values()) == 2


def test_view_that_holds_what_was_acknowledged_is_no_older_one(place: Place) -> None:
    """More is committed than is noted, as behind copies that `erase` made; none of it is missing."""
    place.publish_reviews([enriched(f"r{number}") for number in range(30)])
    place.fold()
    for number in place.redis.hkeys(place.keys(1).progress):
        place.redis.hset(place.keys(1).progress, number, 0)

    place.publish_reviews([enriched("r30")])
    place.fold()

    progress = {int(number): int(at) for number, at in place.redis.hgetall(place.keys(1).progress).items()}
    assert progress == end_offsets(place.settings, place.topics.enriched)


def test_rebuild_from_a_topic_that_was_made_again_is_refused(place: Place) -> None:
    """Its offsets begin at 0 as well, and nothing is in it: the live view stays as it is. So is a worker refused."""
    place.publish_reviews([enriched(f"r{number}", f"p{number}") for number in range(60)])
    place.fold()
    before = place.view(1)
    admin = AdminClient({"bootstrap.servers": place.settings.brokers})
    for deleted in admin.delete_topics([place.topics.enriched]).values():
        deleted.result(10)
    wait_until(lambda: place.topics.enriched not in admin.list_topics(timeout=10).topics, 20, "the topic is gone")
    create_topics(place.settings)

    for options in ((), ("--dry-run",)):
        refused = place.rebuild(*options)
        assert refused.ends() == 1
        assert "topic id" in refused.said()
        assert "--accept-loss" in refused.said()
    assert place.active() == 1
    assert place.view(1) == before
    assert b"building" not in place.redis.hgetall(Namespace.of(place.settings).generations)
    with pytest.raises(ConfigurationError, match="This view in Redis was made from cluster"):  # `check` prints it
        _view(place.settings)
    assert "This view in Redis was made from cluster" in place.command("worker", "summarize")

    accepted = place.rebuild("--accept-loss")
    assert accepted.ends() == 0, accepted.said()
    assert "60 reviews are lost" in accepted.said()
    assert (place.active(), place.view(2)) == (2, {})


def test_rebuild_that_would_lose_reviews_does_not_switch(place: Place) -> None:
    """Whatever the log lost them by: both numbers are said, and the live view stays as it is."""
    place.publish_reviews([enriched(f"r{number}", f"p{number % 7}") for number in range(60)])
    place.fold()
    asyncio.run(place.apply([enriched(f"lost{number}") for number in range(5)]))
    before = place.view(1)

    refused = place.rebuild()
    assert refused.ends() == 1
    said = " ".join(refused.said().split())
    assert "(generation 2) holds 60 reviews, the active one (generation 1) 65" in said
    assert place.active() == 1
    assert place.view(1) == before

    accepted = place.rebuild("--accept-loss")
    assert accepted.ends() == 0, accepted.said()
    assert place.active() == 2
    assert len(place.view(2)) == 7


@pytest.mark.slow
def test_view_is_made_again_where_redis_has_lost_everything(kafka: str, place: Place) -> None:
    """Which generations there were is lost too: a generation is taken whose consumer group never committed anything."""
    place.publish_reviews(reviews_of(["a", "b"], 200))
    place.fold()
    before = place.view(1)
    place.fold(2)
    place.redis.flushall()

    again = place.rebuild()
    assert again.ends() == 0, again.said()

    assert place.active() == 3
    assert place.view(3) == before
