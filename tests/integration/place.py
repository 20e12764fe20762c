"""A Kafka, a Valkey and workers of the view for one test, and what is read back from them."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import psutil
from confluent_kafka import Producer
from redis import Redis

from stream_app import contract
from stream_app.commands.options import environment_of
from stream_app.commands.processes import Processes
from stream_app.kafka.client_config import producer_config
from stream_app.kafka.groups import committed_offsets, lag
from stream_app.kafka.topics import Topics
from stream_app.records import Alert, EnrichedReview, Message
from stream_app.settings import Settings
from stream_app.steps.fold import EMPTY_TALLY
from stream_app.store.keys import Keys, Namespace
from stream_app.store.packing import unpack_state
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import HOUR_MS, deletion, enriched
from tests.waiting import wait_until

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

        wait_until(done, 150, f"generation {generation} did not catch up; logs in {self.folder}")

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

    def episodes(self, generation: int) -> dict[tuple[str, str], bytes]:
        """What a generation notes of the episodes that go on: (product, rule) -> mark, without what was not raised.

        A mark without the evidence that sufficed: a view that is rebuilt takes the episode from its alert, which does
        not say how many reviews there were when it was raised.
        """
        keys, redis = self.keys(generation), cast("Any", self.redis)
        held = {}
        for product_id in (one.decode() for one in redis.zrange(keys.products, 0, -1)):
            for name, mark in redis.hgetall(keys.product(product_id).state).items():
                if name.startswith(b"episode:") and b" raised " in mark:
                    held[product_id, name.decode()] = b" ".join(mark.split()[:4])
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
                env=environment_of(self.settings) | {"PYTHONFAULTHANDLER": "1"},
                stdout=file,
                stderr=file,
            )
        return Rebuilding(process, log, Path(self.settings.state_folder) / "rebuild.log")

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

    @contextmanager
    def live(self) -> Iterator[Processes]:
        """The system but for `enrich`, once its API answers; every process follows the active view."""
        with Processes(self.settings, say=print, log_folder=self.folder / "logs", roles=ROLES_OF_THE_VIEW) as processes:
            wait_until(lambda: _listens(processes.page), 60, f"no API at {processes.page}; logs in {self.folder}")
            yield processes

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
    worker_log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, words: str, seconds: float = 60) -> None:
        def heard() -> bool:
            assert words in self.said() or self.process.poll() is None, self.said()
            return words in self.said()

        wait_until(heard, seconds, f"{words!r} was not said: {self.said()}")

    def ends(self, seconds: float = 150) -> int:
        """Its exit status. AssertionError with its threads' stacks and what its processes said when it does not end."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler writes the stacks
            self.process.wait(20)
            raise AssertionError(f"no end after {seconds:.0f} s: {self.said()}\n{self.said_by_its_workers()}") from None
        finally:
            self.process.kill()

    def said_by_its_workers(self) -> str:
        return "\n".join(self.worker_log.read_text(errors="replace").splitlines()[-60:])

    def libraries(self) -> set[str]:
        """Files mapped into it and the processes that it started."""
        parent = psutil.Process(self.process.pid)
        return {Path(one.path).name for process in [parent, *parent.children()] for one in process.memory_maps()}


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


def _listens(page: str) -> bool:
    try:
        httpx.get(f"{page}healthz", timeout=10)
    except httpx.ConnectError:
        return False
    return True


def summary_of(page: str, product_id: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{page}v1/products/{product_id}/summary", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def answer_of(page: str, path: str) -> dict[str, Any]:
    """What the API answers, whatever the status."""
    found: dict[str, Any] = httpx.get(f"{page}{path}", timeout=10).json()
    return found
