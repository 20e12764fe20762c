"""`stream-app rebuild` on real parts: the new view equals the old one, which serves meanwhile; killed, it goes on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import psutil
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr
from redis import Redis

from stream_app import contract
from stream_app.commands.check import _view
from stream_app.commands.options import environment_of
from stream_app.commands.processes import Processes
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.kafka.client_config import producer_config
from stream_app.kafka.groups import committed_offsets, lag
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.ports import ConfigurationError, ViewLost
from stream_app.records import Alert, EnrichedReview, Message
from stream_app.settings import Settings
from stream_app.steps.fold import EMPTY_TALLY
from stream_app.store.keys import Keys, Namespace
from stream_app.store.packing import unpack_state
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import HOUR_MS, deletion, enriched
from tests.recount import differences
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)
ROLES_OF_THE_VIEW = ("summarize", "describe", "notify")


@dataclass
class Place:
    """Topics and a server of one test's own, and what is done there."""

    settings: Settings
    redis: Redis
    folder: Path

    @property
    def topics(self) -> Topics:
        return Topics(self.settings.topic_prefix)

    def of(self, generation: int) -> Settings:
        return self.settings.model_copy(update={"generation": generation})

    def keys(self, generation: int) -> Keys:
        return Keys.of(self.of(generation))

    def publish(self, messages: Sequence[Message]) -> None:
        producer = Producer(producer_config(self.settings))
        for message in messages:
            producer.produce(message.topic, message.value, message.key, headers=list(message.headers))
            producer.poll(0)
        assert producer.flush(60) == 0

    def publish_reviews(self, reviews: Sequence[EnrichedReview]) -> None:
        self.publish([contract.enriched_message(self.topics.enriched, review) for review in reviews])

    def caught_up(self, generation: int, keep_running: Callable[[], None] = lambda: None) -> None:
        def done() -> bool:
            keep_running()
            return lag(self.of(generation), "summarize") == 0

        wait_until(done, 90, f"generation {generation} did not catch up; logs in {self.folder}")

    def folded(self, generation: int) -> int:
        """How many events its group committed."""
        return sum(committed_offsets(self.of(generation), "summarize").values())

    def view(self, generation: int) -> dict[str, Any]:
        """All that a generation holds of each product, but after what its text was made, and what was published."""
        keys = self.keys(generation)
        products: Any = self.redis.zrange(keys.products, 0, -1)
        held: dict[str, Any] = {}
        for product_id in sorted(name.decode() for name in products):
            own = keys.product(product_id)
            fields: Any = self.redis.hgetall(own.state)
            state = unpack_state(product_id, fields)
            held[product_id] = (
                dataclasses.replace(
                    state,
                    texts=0,
                    text_arrived=0,
                    text_totals=EMPTY_TALLY,
                    text_changed=0,
                    published=0,
                    published_at_ms=0,
                ),
                self.redis.hgetall(own.reviews),
                self.redis.hgetall(own.sentences),
                self.redis.zrange(own.sentence_times, 0, -1, withscores=True),
            )
        return held

    def unpublished(self, generation: int) -> list[str]:
        """Products of which products.summaries does not have all."""
        keys, redis = self.keys(generation), cast("Any", self.redis)
        products = [one.decode() for one in redis.zrange(keys.products, 0, -1)]
        states = [unpack_state(one, redis.hgetall(keys.product(one).state)) for one in products]
        return [state.product_id for state in states if state.published != state.changes]

    def shown(self, generation: int) -> tuple[list[bytes], list[bytes]]:
        """(product ids, newest first; ids of recent alerts, newest first)."""
        keys, redis = self.keys(generation), cast("Any", self.redis)
        return redis.zrevrange(keys.products, 0, -1), redis.zrevrange(keys.alert_times, 0, -1)

    def keys_of(self, generation: int) -> list[bytes]:
        return list(self.redis.scan_iter(self.keys(generation).all, count=1000))

    def active(self) -> int:
        return int(self.redis.hget(Namespace.of(self.settings).generations, "active") or 1)

    def rebuild(self, *options: str) -> Rebuilding:
        log = self.folder / f"rebuild-{time.monotonic_ns()}.out"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream_app", "rebuild", *options],
                env=environment_of(self.settings),
                stdout=file,
                stderr=file,
            )
        return Rebuilding(process, log)

    def command(self, *words: str) -> str:
        """What `stream-app` says, on both streams."""
        done = subprocess.run(
            [sys.executable, "-m", "stream_app", *words],
            env=environment_of(self.settings) | {"COLUMNS": "400"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.stdout + done.stderr

    async def apply(self, reviews: Sequence[EnrichedReview]) -> None:
        """Straight into the active view: reviews that the log does not hold."""
        store = RedisSummaryStore.from_settings(self.of(self.active()))
        await store.apply(reviews, time.time_ns() // 1_000_000)
        await store.close()

    def live(self) -> Processes:
        """The system but for `enrich`; every process follows the active view."""
        return Processes(self.settings, say=print, log_folder=self.folder / "logs", roles=ROLES_OF_THE_VIEW)

    def fold(self, generation: int = 1) -> None:
        """Fill a generation as `summarize` does, and stop."""
        roles = {"roles": ("summarize",), "with_api": False}
        with Processes(self.of(generation), say=print, log_folder=self.folder / "logs", **roles) as processes:  # type: ignore[arg-type]
            self.caught_up(generation, processes.keep_running)


@dataclass
class Rebuilding:
    """A running `stream-app rebuild`."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, words: str, seconds: float = 60) -> None:
        def heard() -> bool:
            assert words in self.said() or self.process.poll() is None, self.said()
            return words in self.said()

        wait_until(heard, seconds, f"{words!r} was not said: {self.said()}")

    def ends(self, seconds: float = 150) -> int:
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()

    def libraries(self) -> set[str]:
        """Files mapped into it and the processes that it started."""
        parent = psutil.Process(self.process.pid)
        return {Path(one.path).name for process in [parent, *parent.children()] for one in process.memory_maps()}


@pytest.fixture
def place(kafka: str, fresh_valkey: EmbeddedValkey, topic_prefix: str, tmp_path: Path) -> Iterator[Place]:
    settings = Settings(
        _env_file=None,
        brokers=kafka,
        redis=SecretStr(fresh_valkey.url),
        topic_prefix=topic_prefix,
        state_folder=str(tmp_path / "state"),
        summaries="off",
        session_timeout_seconds=6.0,
        heartbeat_seconds=0.5,
        redis_settle_seconds=1.0,
        rebuild_grace_seconds=5.0,
        text_min_interval_seconds=1.0,
        summary_interval_seconds=1.0,
        partitions=3,
        api_port=0,
        api_internal_port=0,
    )
    create_topics(settings)
    with Redis.from_url(fresh_valkey.url) as client:
        yield Place(settings, client, tmp_path)


def reviews_of(
    products: Sequence[str], count: int, *, seed: int = 7, first: int = 0, now_ms: int | None = None
) -> list[EnrichedReview]:
    """Reviews with edits, deletions, duplicates and late originals, of the last 40 days."""
    chance = random.Random(seed)
    now = now_ms or time.time_ns() // 1_000_000
    found: list[EnrichedReview] = []
    for number in range(first, first + count):
        product_id, review_id = products[number % len(products)], f"r{number}"
        times = {"created_at_ms": now - chance.randrange(40 * 24) * HOUR_MS, "enriched_at_ms": now + number}
        own = times | {"rating": chance.choice([None, 1, 3, 5]), "label": chance.choice(["negative", "positive", None])}
        original = enriched(review_id, product_id, **own)
        edit = enriched(
            review_id, product_id, kind="edited", revision=2, text=f"Edited {number}.", **own | {"rating": 2}
        )
        match chance.randrange(10):
            case 0:
                found += [original, edit]
            case 1:
                found += [edit, original]  # the original comes late
            case 2:
                found += [original, deletion(review_id, product_id, revision=3, **times)]
            case 3:
                found += [original, original]
            case _:
                found.append(original)
    return found


def alert(number: int) -> Alert:
    return Alert(
        f"negative_review|p{number}|r", "negative_review", "warning", f"p{number}", 1, 1_000_000 + number, review_id="r"
    )


def summary_of(page: str, product_id: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{page}v1/products/{product_id}/summary", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def answer_of(page: str, path: str) -> dict[str, Any]:
    """What the API answers, whatever the status."""
    found: dict[str, Any] = httpx.get(f"{page}{path}", timeout=10).json()
    return found


def test_rebuilt_view_equals_the_old_one_which_serves_meanwhile(kafka: str, place: Place) -> None:
    """Every product, text and alert is in the new view, and what comes before and after the switch counts once."""
    products = [f"p{number}" for number in range(30)]
    place.publish_reviews(reviews_of(products, 1500))
    place.publish([contract.alert_message(place.topics.alerts, alert(number)) for number in range(20)])
    with place.live() as live:
        place.caught_up(1, live.keep_running)
        wait_until(lambda: lag(place.settings, "notify") == 0, 30, "alerts are noted")
        wait_until(lambda: all(one[0].text for one in place.view(1).values()), 60, "every product has a text")
        wait_until(
            lambda: not any(place.redis.zcard(place.keys(1).leased(shard)) for shard in range(64)),
            30,
            "`describe` is done",
        )
        wait_until(lambda: place.unpublished(1) == [], 60, "all counts are published")
        before, shown_before = place.view(1), place.shown(1)
        published = end_offsets(place.settings, place.topics.summaries)
        answer_before = summary_of(live.page, "p3")
        state_version = answer_before["state_version"]

        rebuilding = place.rebuild()
        answers = 0
        extra = 0
        libraries: set[str] = set()
        while rebuilding.process.poll() is None:
            live.keep_running()
            counts = summary_of(live.page, "p3")
            assert counts["windows"]["all"] == answer_before["windows"]["all"]
            assert counts["text"] == answer_before["text"]
            assert counts["state_version"] >= state_version
            state_version = counts["state_version"]
            answers += 1
            if answers % 20 == 0:  # others arrive all the time
                place.publish_reviews(reviews_of(["new1", "new2"], 10, first=10_000 + extra, seed=extra))
                extra += 10
            if place.folded(2) and not libraries:
                libraries = rebuilding.libraries()
            time.sleep(0.05)
        assert rebuilding.ends() == 0, rebuilding.said()
        assert place.active() == 2
        assert "No `summarize` worker" not in rebuilding.said()

        place.publish_reviews(reviews_of(["new1", "new3"], 50, first=20_000))
        place.caught_up(2, live.keep_running)
        assert summary_of(live.page, "p3")["state_version"] > answer_before["state_version"]
        after = place.view(2)
        products_recounted, wrong = differences(kafka, place.topics.enriched, live.page)

    assert {product_id: after[product_id] for product_id in products} == before
    assert wrong == []
    assert products_recounted == len(after) == 33
    assert [name for name in place.shown(2)[0] if not name.startswith(b"new")] == ordered_by_enrichment(products)
    assert place.shown(2)[1] == shown_before[1]
    assert place.keys_of(1) == []
    assert answers > 50
    assert extra > 0
    assert libraries, "the running rebuild was looked at"
    assert not [name for name in libraries if "torch" in name]
    again = {record.key for record in read_to_end(place.settings, place.topics.summaries, published)}
    assert len(again - {b"new1", b"new2", b"new3"}) < len(products), "texts that still hold were not made again"


def ordered_by_enrichment(products: Sequence[str]) -> list[bytes]:
    """Newest first, as ``reviews_of`` dates them: the last ones of 1,500 numbers are the newest."""
    newest = {products[number % len(products)]: number for number in range(1500)}
    return [one.encode() for one in sorted(newest, key=lambda one: newest[one], reverse=True)]


@pytest.mark.slow
def test_rebuild_killed_in_the_middle_goes_on_where_it_was(kafka: str, place: Place) -> None:
    """kill -9 while it folds, again while its worker does, and once more after the switch: the end is the same."""
    products = [f"p{number}" for number in range(50)]
    place.publish_reviews(reviews_of(products, 25_000))
    events = sum(end_offsets(place.settings, place.topics.enriched).values())
    place.fold()
    before = place.view(1)

    first = place.rebuild()
    wait_until(lambda: 0 < place.folded(2) < events, 60, "it is in the middle")
    first.process.kill()
    assert first.ends() == -signal.SIGKILL
    in_the_middle = place.folded(2)
    assert 0 < in_the_middle < events, "it was killed too late to show anything"
    assert place.active() == 1

    second = place.rebuild()
    second.wait_for("Continuing with generation 2")
    children = wait_until(lambda: psutil.Process(second.process.pid).children(), 20, "it has a worker")
    os.kill(children[0].pid, signal.SIGKILL)
    second.wait_for("Switched", 120)
    second.process.kill()
    second.ends()
    assert "ended with exit code -9" in second.said()
    assert place.active() == 2
    assert place.keys_of(1), "it was killed before it deleted the old view"

    place.publish([contract.alert_message(place.topics.alerts, alert(1))])  # noted in the old view before its end

    third = place.rebuild()
    assert third.ends() == 0, third.said()
    assert "finishing that" in third.said()
    assert place.active() == 2
    assert place.keys_of(1) == []
    assert place.view(2) == before
    assert place.shown(2)[1] == [alert(1).alert_id.encode()]


@pytest.mark.slow
def test_what_the_old_view_did_not_get_to_has_its_effects_once_and_the_rest_none(place: Place) -> None:
    """A record that cannot be decoded goes to the dead letter when it is read for the first time, and never again."""
    place.publish([Message(place.topics.enriched, b"p", b"read by the old view"), *valid(place, "r1")])
    place.fold()
    assert dead_letters(place) == [b"read by the old view"]
    place.publish([Message(place.topics.enriched, b"p", b"read by the new view alone"), *valid(place, "r2")])

    rebuilding = place.rebuild()
    assert rebuilding.ends() == 0, rebuilding.said()

    assert dead_letters(place) == [b"read by the old view", b"read by the new view alone"]
    assert [summary[0].arrived for summary in place.view(2).values()] == [2]


def valid(place: Place, review_id: str) -> list[Message]:
    return [contract.enriched_message(place.topics.enriched, enriched(review_id))]


def dead_letters(place: Place) -> list[bytes | None]:
    """The dead letters, in order of arrival."""
    found = sorted(
        read_to_end(place.settings, place.topics.dead_letter), key=lambda dead_letter: dead_letter.timestamp_ms
    )
    return [dead_letter.value for dead_letter in found]


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
def test_view_that_redis_lost_is_not_counted_anew_until_it_is_rebuilt(place: Place, meanwhile: str) -> None:
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
        words = "The view is empty, the log is not: run `stream-app rebuild`."

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
            return any("process_ends" in line and "The view is empty" in line for line in lines)

        wait_until(ended, 30, "`summarize` ends")
        assert place.folded(1) == committed
        assert place.keys_of(1) == []


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


def test_rebuild_ends_at_transaction_markers_and_counts_nothing_that_was_rolled_back(place: Place) -> None:
    """Another system may publish enriched reviews in transactions; a partition then ends in a marker."""
    producer = Producer({**producer_config(place.settings), "transactional.id": place.topics.enriched})
    producer.init_transactions(30)
    for number, ends in enumerate((producer.commit_transaction, producer.abort_transaction)):
        producer.begin_transaction()
        for review in reviews_of([f"p{p}" for p in range(9)], 30, first=100 * number):
            message = contract.enriched_message(place.topics.enriched, review)
            producer.produce(message.topic, message.value, message.key, headers=list(message.headers))
        assert producer.flush(30) == 0
        ends(30)
    place.fold()
    before = place.view(1)
    assert sum(len(held[1]) for held in before.values()) == 30

    rebuilding = place.rebuild()

    assert rebuilding.process.wait(90) == 0, rebuilding.said()
    assert place.active() == 2
    assert place.view(2) == before


@pytest.mark.slow
def test_second_rebuild_is_told_that_one_runs(place: Place) -> None:
    """Two at once would only take each other's partitions."""
    place.publish_reviews(reviews_of(["a"], 20_000))
    first = place.rebuild()
    first.wait_for("Building generation 2")

    second = place.rebuild()

    assert second.ends() == 2
    assert "A rebuild runs already" in second.said()
    assert first.ends() == 0, first.said()


def test_fixed_generation_is_no_ground_for_a_rebuild(place: Place) -> None:
    """Workers that name their generation would not follow."""
    place.settings = place.of(4)
    refused = place.rebuild()

    assert refused.ends() == 2
    assert "STREAM_APP_GENERATION" in refused.said()


def test_dry_run_says_what_would_be_done_and_does_nothing(place: Place) -> None:
    place.publish_reviews(reviews_of(["a"], 10, seed=1))
    events = sum(end_offsets(place.settings, place.topics.enriched).values())

    dry = place.rebuild("--dry-run")

    assert dry.ends() == 0
    assert f"build generation 2 from {events} events" in dry.said()
    assert "active: generation 1, but Redis holds nothing of it" in dry.said()
    assert place.redis.dbsize() == 0


def test_dry_run_while_redis_is_away_says_so_at_once(place: Place, fresh_valkey: EmbeddedValkey) -> None:
    """Not after the patience of a worker, which is minutes."""
    place.settings = place.settings.model_copy(update={"redis_patience_seconds": 600.0})
    fresh_valkey.stop()

    dry = place.rebuild("--dry-run")

    assert dry.ends(60) == 1
    assert "Does it run? `stream-app services start`" in dry.said()
