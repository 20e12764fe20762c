"""Reviews per second through Kafka, `enrich`, Kafka, `summarize` and Valkey, and where the processor time goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import SecretStr

from benchmarks.load.workload import Workload
from stream_app.commands.options import environment_of
from stream_app.commands.publish import send
from stream_app.embedded.bound_process import bound
from stream_app.embedded.services import Services
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.groups import lag
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings

BENCHMARK = "this benchmark's looks at offsets"
_LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 2.0  # last commits
_REST_SECONDS = 10.0  # in ticks of 10 ms
_LIMIT_SECONDS = 900.0


@dataclass(frozen=True)
class EndToEnd:
    """``cpu_us``: processor time per review of each process, over the same stretch, in microseconds. ``at_rest``: of
    each but the benchmark, in seconds per second, when all is done and nothing comes.
    """

    reviews_per_second: float
    cpu_us: Mapping[str, float]
    at_rest: Mapping[str, float]


@dataclass(frozen=True)
class _Spent:
    """Processor time of each process so far, in seconds, and how many enriched reviews there were."""

    enriched: int
    seconds: Mapping[str, float]


def end_to_end(work: Workload, services: Services, *, with_summaries: bool, run: str, processes: int = 1) -> EndToEnd:
    """Publish everything, start the two roles on that backlog, and time the enriched topic from first to last record.
    ``processes``: of `enrich`.

    The broker's timestamps are the clock.

    The models are loaded before the first record, so loading is not in it; of several processes, those that load longer
    than the first join while it works. Waits until the view has everything too.
    """
    settings = Settings(
        brokers=services.brokers,
        redis=SecretStr(services.redis),
        topic_prefix=f"bench-{run}.",
        generation=int(time.time()),
        summaries="always" if with_summaries else "off",
        redis_settle_seconds=1.0,
        cached_texts=0,  # the backlog repeats itself: cache hits would cost nothing
    )
    create_topics(settings)
    with BlockingProducer(settings) as producer:
        send(work.lines, producer, rate=0, on_progress=lambda _: None)
    topics = Topics(settings.topic_prefix)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        members = {"enrich" if number == 1 else f"enrich {number}": "enrich" for number in range(1, processes + 1)}
        roles = {
            name: subprocess.Popen(
                bound([sys.executable, "-m", "stream_app", "worker", role]),
                env=environment_of(settings.model_copy(update={"worker_number": number})),
                stdout=log,
                stderr=log,
            )
            for number, (name, role) in enumerate((members | {"summarize": "summarize"}).items(), 1)
        }
        try:
            pids = {role: process.pid for role, process in roles.items()} | _server_pids(services)
            before, after = _watch(settings, roles, pids, len(work.lines), Path(folder) / "log")
            at_rest = _at_rest({name: pid for name, pid in pids.items() if name != BENCHMARK})
        finally:
            for process in roles.values():
                process.send_signal(signal.SIGTERM)
            for process in roles.values():
                process.wait(30)
    reviews = after.enriched - before.enriched
    cpu_us = {name: 1e6 * (after.seconds[name] - before.seconds[name]) / max(1, reviews) for name in after.seconds}
    rate = _rate([record.timestamp_ms for record in read_to_end(settings, topics.enriched)])
    return EndToEnd(rate, cpu_us, at_rest)


def _server_pids(services: Services) -> dict[str, int]:
    [kafka] = services.kafka.processes
    assert services.valkey.process is not None
    return {"Kafka": kafka.pid, "Valkey": services.valkey.process.pid, BENCHMARK: os.getpid()}


def _watch(
    settings: Settings, roles: Mapping[str, subprocess.Popen[bytes]], pids: Mapping[str, int], total: int, log: Path
) -> tuple[_Spent, _Spent]:
    """What was spent when the first reviews were enriched, and when all were. Returns when the view has them too."""
    enriched = Topics(settings.topic_prefix).enriched
    until = time.monotonic() + _LIMIT_SECONDS
    looks: list[_Spent] = []
    while not looks or looks[-1].enriched < total or lag(settings, "summarize"):
        if time.monotonic() > until or any(process.poll() is not None for process in roles.values()):
            raise RuntimeError(f"the roles did not finish; their log ends with\n{log.read_text()[-3000:]}")
        time.sleep(_LOOK_SECONDS)  # between two looks at the offsets
        if (count := sum(end_offsets(settings, enriched).values())) and (not looks or looks[-1].enriched < total):
            looks.append(_Spent(count, _processor_seconds(pids)))
    return looks[0], looks[-1]


def _at_rest(pids: Mapping[str, int]) -> dict[str, float]:
    """Processor time of each, in seconds per second; everything was done a moment ago."""
    time.sleep(_SETTLE_SECONDS)
    before = _processor_seconds(pids)
    time.sleep(_REST_SECONDS)  # what is measured is a stretch of time
    after = _processor_seconds(pids)
    return {name: (after[name] - before[name]) / _REST_SECONDS for name in pids}


def _processor_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in pids.items()}


def _rate(timestamps_ms: list[int]) -> float:
    """Records per second after the first batch: those of the first timestamp only start the clock."""
    first, last = min(timestamps_ms), max(timestamps_ms)
    return sum(at > first for at in timestamps_ms) / ((last - first) / 1000)
