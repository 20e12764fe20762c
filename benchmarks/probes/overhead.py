"""One timed run of a process that enriches a backlog with models that cost nothing, and the check of its outputs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.frameworks.job import Job
from benchmarks.frameworks.work import MODEL, first_difference
from benchmarks.load.workload import Workload
from stream_app import contract
from stream_app.commands.options import environment_of
from stream_app.commands.publish import send
from stream_app.embedded.bound_process import bound
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.records import Position, RawRecord, Rejected
from stream_app.settings import Settings

PROJECT = Path(__file__).parents[2]
_SAMPLE_EVERY = 97
LIMIT_SECONDS = 120.0
_COMMIT_LIMIT_SECONDS = 15.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Run:
    """One timed run: reviews per second, and the processor time of the process under test per review."""

    reviews_per_second: float
    cpu_us_per_review: float


class WrongOutput(Exception):
    """A run's outputs are not what the steps give: its time says nothing."""


@dataclass(frozen=True)
class Bench:
    """Topics of one run, filled."""

    settings: Settings
    total: int

    @property
    def topics(self) -> Topics:
        return Topics(self.settings.topic_prefix)

    @property
    def job(self) -> Job:
        topics = self.topics
        group = f"{self.settings.topic_prefix}framework"
        return Job(self.settings.brokers, group, topics.reviews, topics.enriched, topics.alerts, self.total)


@contextmanager
def backlog(work: Workload, brokers: str, prefix: str) -> Iterator[Bench]:
    settings = Settings(_env_file=None, brokers=brokers, topic_prefix=prefix)
    topics = Topics(prefix)
    configs = topics.configs()
    configs[topics.enriched]["message.timestamp.type"] = "LogAppendTime"
    admin = AdminClient({"bootstrap.servers": brokers})
    new = [NewTopic(name, settings.partitions, 1, config=configs[name]) for name in topics.all()]
    for made in admin.create_topics(new).values():
        made.result()
    try:
        with BlockingProducer(settings) as producer:
            send(work.lines, producer, rate=0, on_progress=lambda _: None)
        yield Bench(settings, len(work.lines))
    finally:
        for gone in admin.delete_topics(list(topics.all())).values():
            gone.result()


def our_worker(bench: Bench, summaries: str, state_folder: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a worker `enrich` with models that cost nothing."""
    named = {
        "STREAM_APP_SUMMARIES": summaries,
        "STREAM_APP_STATE_FOLDER": state_folder,
        "STREAM_APP_CACHED_TEXTS": "0",  # the workload repeats itself: every review is to be computed
    }
    return [sys.executable, "-m", "benchmarks.harness.noop_models"], {**environment_of(bench.settings), **named}


def framework_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


def timed_run(bench: Bench, command: list[str], environment: dict[str, str], group: str, *, same_bytes: bool) -> Run:
    with running(command, environment) as (process, log):
        until = time.monotonic() + LIMIT_SECONDS
        looks: list[tuple[int, float]] = []  # (outputs so far, CPU seconds so far)
        while not looks or looks[-1][0] < bench.total:
            if process.poll() is not None or time.monotonic() > until:
                raise failure(process, log)
            done = sum(end_offsets(bench.settings, bench.topics.enriched).values())
            if done:
                used = psutil.Process(process.pid).cpu_times()
                looks.append((done, used.user + used.system))
            time.sleep(_LOOK_SECONDS)
        _wait_for_commit(bench, group)
    outputs = list(read_to_end(bench.settings, bench.topics.enriched))
    _check(bench, outputs, same_bytes=same_bytes)
    (first, cpu_before), (last, cpu_after) = looks[0], looks[-1]
    cpu = (cpu_after - cpu_before) / (last - first) if last > first else 0.0
    return Run(rate_of([record.timestamp_ms for record in outputs]), cpu * 1e6)


def rate_of(timestamps_ms: Sequence[int]) -> float:
    """Records per second after the first batch: those of the first timestamp only start the clock."""
    first, last = min(timestamps_ms), max(timestamps_ms)
    if first == last:
        raise WrongOutput("all outputs came at once: too few reviews to time")
    return sum(at > first for at in timestamps_ms) / ((last - first) / 1000)


def _check(bench: Bench, outputs: list[RawRecord], *, same_bytes: bool) -> None:
    if len(outputs) != bench.total:
        raise WrongOutput(f"{len(outputs)} outputs of {bench.total} reviews")
    by_position: dict[Position, RawRecord] = {}
    for output in outputs:
        enriched = contract.decode_enriched(output)
        if isinstance(enriched, Rejected):
            raise WrongOutput(enriched.detail)
        if enriched.sentiment_model != MODEL:
            raise WrongOutput(f"{enriched.sentiment_model} answered")
        by_position[enriched.input] = output
    if len(by_position) != bench.total:
        raise WrongOutput(f"{bench.total} outputs come from {len(by_position)} reviews")
    if same_bytes:
        inputs = list(read_to_end(bench.settings, bench.topics.reviews))
        if difference := first_difference(inputs[::_SAMPLE_EVERY], by_position):
            raise WrongOutput(difference)


def _wait_for_commit(bench: Bench, group: str) -> None:
    """Everything that was read is committed soon after."""
    ends = end_offsets(bench.settings, bench.topics.reviews)
    asked = [TopicPartition(bench.topics.reviews, number) for number, end in ends.items() if end]
    member = Consumer({"bootstrap.servers": bench.settings.brokers, "group.id": group})
    until = time.monotonic() + _COMMIT_LIMIT_SECONDS
    try:
        while True:
            open_ones = [one for one in member.committed(asked, timeout=10.0) if one.offset < ends[one.partition]]
            if not open_ones:
                return
            if time.monotonic() > until:
                raise WrongOutput(f"not committed within {_COMMIT_LIMIT_SECONDS:.0f} s: {open_ones}")
            time.sleep(_LOOK_SECONDS)
    finally:
        member.close()


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                bound(command),
                cwd=PROJECT,
                env={**environment, "APP_DATADIR": folder},  # Faust's own folder would stay in the project
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process, path
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def failure(process: subprocess.Popen[bytes], log: Path) -> RuntimeError:
    return RuntimeError(f"it did not finish (exit code {process.poll()}); its log ends with\n{log.read_text()[-2000:]}")
