"""A real `enrich` worker under load, what it can do on a backlog, and reviews for it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.load.review_load import Arrived, Listener, sending
from benchmarks.load.workload import workload
from stream_app.commands.options import environment_of
from stream_app.commands.review_files import Line
from stream_app.embedded.bound_process import bound
from stream_app.embedded.free_port import free_port
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings, Summaries

WARM_UP_REVIEWS = 60  # reviews
_READY_SECONDS = 180.0
DRAIN_SECONDS = 240.0
_TAIL_SECONDS = 2.0  # twice what a review waits for its summary
console = Console(stderr=True)


class Lines:
    """Reviews of a mix, every one under an id of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._given = 0
        self.source = ""

    def next(self, count: int) -> list[Line]:
        made = workload(self._path, self._given + count)
        lines = made.lines[self._given :]
        self._given += count
        self.source = re.sub(r" repeated to \d+$", " repeated", made.source)
        return lines


@dataclass(frozen=True)
class EnrichWorker:
    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f"the worker ended; its log ends with\n{self.log.read_text()[-3000:]}")

    def metrics(self) -> dict[str, float]:
        """Its counters by name and labels, as Prometheus writes them."""
        url = f"http://127.0.0.1:{self.settings.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


@contextmanager
def enrich_worker(brokers: str, summaries: Summaries, **models: Any) -> Iterator[EnrichWorker]:
    """`stream-app worker enrich` on topics of its own, until the end of the block. ``models``: settings."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = Settings(
            brokers=brokers,
            topic_prefix=f"latency-{uuid.uuid4().hex[:8]}.",
            summaries=summaries,
            cached_texts=0,  # the mix repeats its reviews, more often than any shop's customers do
            metrics_port=free_port(0, "metrics", console.print),
            state_folder=folder,
            **models,
        )
        create_topics(settings)
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                bound([sys.executable, "-m", "stream_app", "worker", "enrich"]),
                env=environment_of(settings),
                stdout=out,
                stderr=out,
            )
        try:
            yield EnrichWorker(settings, process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def warm_up(worker: EnrichWorker, lines: Lines) -> None:
    """Returns when the models have answered once."""
    console.print(f"starting a worker, summaries={worker.settings.summaries} …")
    _at_once(worker, lines.next(WARM_UP_REVIEWS), _READY_SECONDS)


def capacity_of(worker: EnrichWorker, lines: Lines, backlog: int) -> float:
    """Reviews a second while a backlog waits."""
    console.print(f"capacity: {backlog} reviews at once …")
    arrived = _at_once(worker, lines.next(backlog), DRAIN_SECONDS)
    enriched = Topics(worker.settings.topic_prefix).enriched
    rate = rate_of([one.at for one in arrived if one.topic == enriched])
    console.print(f"  {rate:.1f} reviews/s")
    return rate


def rate_of(times: Sequence[float]) -> float:
    """Events per second after the first ones and before the last two seconds (at most half the time): BERT is
    through by then, and the last reviews wait for T5.

    Not of a stretch in the middle. Reviews that may alarm overtake the others, but are published behind them: at first
    a backlog comes out more slowly than the device computes it, and later faster.
    """
    first, last = (min(times), max(times)) if times else (0.0, 0.0)
    lasted = (last - first) - min(_TAIL_SECONDS, (last - first) / 2)
    counted = sum(first < at <= first + lasted for at in times)
    if not counted:
        raise RuntimeError(f"{len(times)} reviews are too few to measure a rate")
    return counted / lasted


def _at_once(worker: EnrichWorker, lines: list[Line], seconds: float) -> list[Arrived]:
    """Send all of them now; what came of it when all of them are enriched."""
    with Listener(worker.settings) as listener, sending(lines, [0.0] * len(lines), worker.settings):
        wait_until_enriched(worker, listener, len(lines), seconds)
    return listener.arrived


def wait_until_enriched(worker: EnrichWorker, listener: Listener, count: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while listener.enriched < count:
        worker.check()
        if time.monotonic() > until:
            raise RuntimeError(f"{listener.enriched} of {count} reviews were enriched in {seconds:.0f} s")
        time.sleep(0.05)  # between two looks
