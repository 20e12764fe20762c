"""docs/operations.md#erase-a-review, done on real servers: the words are gone everywhere, and nothing else is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from redis import Redis

from stream_app import erasure as erasing
from stream_app.commands.erase import identities
from stream_app.commands.review_files import read_lines
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.erasure import Erasure
from stream_app.kafka import copies, rewrite, segments
from stream_app.kafka.group_check import lost_positions
from stream_app.kafka.offsets import begin_offsets, end_offsets
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.ports import ConfigurationError
from stream_app.records import RawRecord
from stream_app.settings import Settings
from tests.behaviour.enriched import deletion, enriched
from tests.integration.erasing import (
    WORDS,
    Quiet,
    all_of_redis,
    all_read,
    delete_the_review,
    file_of,
    go_on_with,
    holding,
    kept_records,
    order_per_product,
    publish_everything,
    read_all,
    the_review,
)
from tests.integration.place import Place
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


class Died(BaseException):
    """The process ended at this line."""


@pytest.mark.slow
def test_erased_words_are_nowhere_and_everything_else_is_where_it_was(place: Place) -> None:
    """The documented steps, from a system whose topics, view and texts all quote the review."""
    publish_everything(place)
    with place.live() as live:

        def quoted() -> bool:
            live.keep_running()
            return bool(holding(place, place.topics.summaries, "Xanthippe")) and all_read(place)

        wait_until(quoted, 120, "a published text quotes the review")
        assert b"Xanthippe" in all_of_redis(place.redis)
        delete_the_review(place)  # 1

        def withdrawn() -> bool:  # 2
            live.keep_running()
            return b"Xanthippe" not in all_of_redis(place.redis) and place.unpublished(1) == [] and all_read(place)

        wait_until(withdrawn, 60, "the deletion went through")
    before, order, view = kept_records(place), order_per_product(place), place.view(1)
    counted = {topic: len(holding(place, topic)) for topic in before}
    assert sorted(counted.values()) == [1, 1, 2], "each topic holds the words before"

    preview = place.command("erase", str(file_of(place)), "--dry-run")  # 3, 4
    assert f"{place.topics.enriched}: 1 records would be erased" in preview
    assert kept_records(place) == before
    done = place.command("erase", str(file_of(place)))
    assert f"{place.topics.alerts}: 1 records erased" in done
    assert "1 of them without a quote" in done
    delete_from_reviews(place)  # 5

    assert [holding(place, topic) for topic in (*before, place.topics.reviews)] == [[], [], [], []]
    assert kept_records(place) == before
    assert order_per_product(place) == order
    assert "Nothing to erase" in place.command("erase", str(file_of(place)))

    compact_soon(place)  # 6
    with place.live() as live:
        place.publish_reviews([enriched("later", "tea")])
        place.caught_up(1, live.keep_running)
        answer = httpx.get(f"{live.page}/v1/products/tea/summary", timeout=10).text
        alerts = httpx.get(f"{live.page}/v1/alerts", timeout=10).json()

        def compacted() -> bool:
            live.keep_running()
            place.publish_reviews([enriched(f"again{time.time_ns()}", "tea")])  # a summary begins the next segment
            time.sleep(1.5)
            return not holding(place, place.topics.summaries, "Xanthippe")

        wait_until(compacted, 120, "the old summaries are compacted away")
    assert "Xanthippe" not in answer
    assert "Xanthippe" not in json.dumps(alerts)
    assert b"Xanthippe" not in all_of_redis(place.redis)
    assert [lost_positions(place.of(1), role) for role in ("summarize", "notify")] == [[], []]
    after = place.view(1)
    assert {name: held for name, held in after.items() if name != "tea"} == {
        name: held for name, held in view.items() if name != "tea"
    }

    rebuilding = place.rebuild()  # the log no longer begins at 0, and lacks nothing
    assert rebuilding.ends() == 0, rebuilding.said()
    rebuilt = place.view(2)
    assert {name: held[1] for name, held in rebuilt.items()} == {name: held[1] for name, held in after.items()}
    assert b"Xanthippe" not in all_of_redis(place.redis)


def delete_from_reviews(place: Place) -> None:
    """As kafka-delete-records.sh does."""
    admin = AdminClient({"bootstrap.servers": place.settings.brokers})
    ends = end_offsets(place.settings, place.topics.reviews)
    asked = [TopicPartition(place.topics.reviews, number, at) for number, at in ends.items()]
    for done in admin.delete_records(asked).values():
        done.result(10)


def compact_soon(place: Place) -> None:
    """As kafka-configs.sh does, sooner than the document."""
    admin = AdminClient({"bootstrap.servers": place.settings.brokers})
    entry = ConfigEntry("max.compaction.lag.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, place.topics.summaries, incremental_configs=[entry])
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(10)


def test_killed_between_any_two_steps_nothing_is_lost_and_the_next_run_finishes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies while it copies, before it compares, moves the groups and deletes; once the workers go on in between."""
    publish_everything(place)
    place.publish_reviews([deletion("secret", "tea", revision=2**53 - 1)])
    read_all(place)
    before, order = kept_records(place), order_per_product(place)
    settings = place.of(1)

    for step in ("flush", "verify_copies", "set_forward", "delete_originals"):
        with monkeypatch.context() as patched:
            target = copies.CopyProducer if step == "flush" else erasing
            patched.setattr(target, step, die_after(getattr(target, step), calls=1 if step == "flush" else 0))
            erasure = Erasure(settings, {("tea", "secret")}, Quiet())
            plan = erasure.plan()
            with pytest.raises(Died):
                erasure.run(plan)
        assert {topic: set(kept_records(place)[topic]) for topic in before} == {
            topic: set(records) for topic, records in before.items()
        }, step
        if step == "set_forward":  # somebody starts the system again, and new reviews come
            more = [enriched(f"new{number}", f"p{number}") for number in range(9)]
            go_on_with(place, more, before, order)

    erasure = Erasure(settings, {("tea", "secret")}, Quiet())
    erasure.run(erasure.plan())

    assert [holding(place, topic) for topic in before] == [[], [], []]
    assert kept_records(place) == before, "no copy is left twice"
    assert order_per_product(place) == order
    assert Erasure(settings, {("tea", "secret")}, Quiet()).plan().rewritten == {}
    assert [lost_positions(settings, role) for role in ("summarize", "notify")] == [[], []]
    assert all_read(place), "nothing is read twice"
    assert rewrite.lost_beginnings(settings, place.topics.enriched) == dict.fromkeys(range(3), 0)
    assert any(begin_offsets(settings, place.topics.enriched).values())
    assert segments._own_segment_ms(settings, place.topics.enriched) is None


def die_after(real: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """``calls`` calls pass, and the next one is never made."""
    left = [calls]

    def dying(*arguments: Any, **named: Any) -> Any:
        if not left[0]:
            raise Died
        left[0] -= 1
        return real(*arguments, **named)

    return dying


def test_erasing_is_refused_until_the_deletion_went_through(place: Place) -> None:
    """While workers run; before the deletion, and after an edit that came later; before the roles have read all."""
    place.publish_reviews([the_review(), enriched("r1", "tea")])

    def refusal() -> str:
        with pytest.raises(ConfigurationError) as refused:
            Erasure(place.of(1), {("tea", "secret")}, Quiet()).plan()
        return str(refused.value)

    assert "tea/secret: no deletion is the newest state" in refusal()
    place.publish_reviews([deletion("secret", "tea", revision=5)])
    assert "`summarize` has not read all" in refusal()
    from stream_app.commands.processes import Processes

    with Processes(
        place.settings, say=print, log_folder=place.folder / "logs", roles=("summarize",), with_api=False
    ) as live:
        place.caught_up(1, live.keep_running)
        assert "These roles run: summarize" in refusal()
    place.publish_reviews([the_review(kind="edited", revision=6)])
    place.fold()
    assert "no deletion is the newest state" in refusal()
    place.publish_reviews([deletion("secret", "tea", revision=7)])
    place.fold()
    erasure = Erasure(place.of(1), {("tea", "secret")}, Quiet())
    plan = erasure.plan()
    place.publish_reviews([enriched("r2", "tea")])
    with pytest.raises(ConfigurationError, match="Another process writes to"):
        erasure.run(plan)
    assert len(holding(place, place.topics.enriched)) == 2, "nothing was deleted"


def test_who_publishes_while_it_copies_is_noticed_before_anything_is_deleted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A review among the copies would overtake older ones of its product."""
    place.publish_reviews([the_review(), enriched("r1", "tea"), deletion("secret", "tea", revision=5)])
    place.fold()
    erasure = Erasure(place.of(1), {("tea", "secret")}, Quiet())
    plan = erasure.plan()
    flush = copies.CopyProducer.flush

    def flush_while_others_publish(producer: Any) -> None:
        flush(producer)
        place.publish_reviews([enriched("r2", "tea")])

    monkeypatch.setattr(copies.CopyProducer, "flush", flush_while_others_publish)
    with pytest.raises(ConfigurationError, match="Another process writes to"):
        erasure.run(plan)

    assert len(holding(place, place.topics.enriched)) == 1


def test_copies_begin_a_segment_so_that_the_old_files_go(tmp_path: Path, topic_prefix: str) -> None:
    """In a segment that holds copies, the erased words would stay on the broker's disk."""
    broker = EmbeddedKafka(tmp_path / "kafka", port=0)
    broker.start()
    try:
        settings = Settings(_env_file=None, brokers=broker.address, topic_prefix=topic_prefix, partitions=1)
        create_topics(settings)
        topic = Topics(topic_prefix).enriched
        one = Place(settings, Redis(), tmp_path)
        one.publish_reviews([the_review(), *(enriched(f"r{number}", "tea") for number in range(5))])
        time.sleep(0.01)

        def keep(record: RawRecord) -> RawRecord | None:
            return None if WORDS.encode() in (record.value or b"") else record

        found = rewrite.survey(settings, topic, keep)
        rewrite.verify_copies(settings, topic, found, rewrite.copy_kept(settings, topic, found, keep))
        rewrite.delete_originals(settings, topic, found)

        segments = sorted(int(file.stem) for file in (tmp_path / "kafka").rglob(f"{topic}-0/*.log"))
        assert segments == [0, found[0].end]
    finally:
        broker.stop()


def test_file_of_deletions_names_reviews_and_nothing_else(tmp_path: Path) -> None:
    """A line that is no deletion is refused by its number: it may be the wrong file."""
    file = tmp_path / "deletions.jsonl"
    good = {"product_id": "a/b", "review_id": "r:1", "deleted": True}
    file.write_text(f"{json.dumps(good)}\n")
    assert identities(read_lines(file), "f") == {("a/b", "r:1")}
    for wrong in ({**good, "deleted": False}, {"product_id": "p", "deleted": True}, {**good, "review_id": 7}, [1]):
        file.write_text(f"{json.dumps(good)}\n{json.dumps(wrong)}\n")
        with pytest.raises(ConfigurationError, match="line 2"):
            identities(read_lines(file), "f")
