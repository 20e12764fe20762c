"""The load of a soak: reviews at a steady rate, and reads of the API."""

from __future__ import annotations

import argparse
import contextlib
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from rich.console import Console

from benchmarks.soak.traffic import Traffic
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.settings import Settings

console = Console(stderr=True)


@dataclass
class State:
    """What the threads of one soak share: counters that one thread writes and others read."""

    published: int = 0
    reads: int = 0
    reads_failed: int = 0
    troubles: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Hears of processes that ended, were started again, or did not stop."""
        console.print(line)
        self.troubles.append(line)


@contextlib.contextmanager
def feeding(settings: Settings, traffic: Traffic, state: State, rate: float) -> Iterator[None]:
    """Reviews at a steady rate, from a thread; at the end waits until the broker has acknowledged all."""

    def producer(stop: threading.Event) -> None:
        with BlockingProducer(settings) as producer:
            began = time.monotonic()
            while not stop.is_set():
                while (pause := began + state.published / rate - time.monotonic()) > 0 and not stop.is_set():
                    time.sleep(min(pause, 0.2))  # the pace of the feed
                line = traffic.next(datetime.now(UTC))
                producer.send(line.key, line.value)
                state.published += 1

    with _thread("feed", producer, state):
        yield


@contextlib.contextmanager
def reading(page: str, traffic: Traffic, state: State, options: argparse.Namespace) -> Iterator[None]:
    """Look-ups of known and unknown products, lists and alerts, each on a connection of its own."""
    chance = random.Random(options.seed)

    def read(stop: threading.Event) -> None:
        while not stop.wait(1 / options.reads):
            path = chance.choices(
                (
                    f"v1/products/{quote(traffic.product(chance))}/summary",
                    f"v1/products/unknown-{state.reads}/summary",
                    "v1/products?limit=20",
                    "v1/alerts",
                    f"nothing/here/{state.reads}",
                ),
                (80, 5, 5, 5, 5),
            )[0]
            state.reads += 1
            state.reads_failed += not is_answered(page + path)

    with _thread("reads", read, state):
        yield


def is_answered(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()
        return True
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 404
    except OSError:
        return False


@contextlib.contextmanager
def _thread(name: str, work: Callable[[threading.Event], None], state: State) -> Iterator[None]:
    """Run ``work`` in a thread during the block. An exception is reported as a trouble of the run."""
    stop = threading.Event()

    def run() -> None:
        try:
            work(stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, the samples taken so far are still checked
            state.say(f"the thread of the {name} ended: {error!r}")

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
