"""One timed run of several `enrich` processes of one consumer group."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.harness.process_usage import Memory, cpu_seconds, device_bytes, memory_of
from benchmarks.harness.worker_metrics import metric, partitions_assigned
from stream_app.commands.processes import Processes
from stream_app.commands.publish import send
from stream_app.commands.review_files import Line
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings

PARTITIONS = 12
"""Shared evenly by 1, 2, 3, 4, 6 and 12 processes."""
_LOAD_SECONDS = 300.0
_RUN_SECONDS = 1800.0
console = Console(stderr=True)


@dataclass(frozen=True)
class Run:
    """One measurement. ``largest_share``: of the reviews, that of the process that got most; 1/N is even."""

    reviews_per_second: float
    cpu_ms_per_review: float
    largest_share: float
    memory: Memory


def timed_run(settings: Settings, warm_up: list[Line], backlog: list[Line], count: int, program: Sequence[str]) -> Run:
    create_topics(settings)
    enriched = Topics(settings.topic_prefix).enriched
    device_before = device_bytes()
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        own = settings.model_copy(update={"state_folder": folder})
        roles = ("enrich",)
        with Processes(
            own, say=console.print, log_folder=logs, roles=roles, enrich=count, with_api=False, program=program
        ) as started:
            ports = started.metrics_ports.values()

            def until(done: Callable[[], bool], seconds: float, what: str) -> None:
                _wait(done, started, logs, seconds, what)

            def published(total: int) -> bool:
                return sum(end_offsets(settings, enriched).values()) >= total

            until(
                lambda: min(map(partitions_assigned, ports)) == PARTITIONS // count, _LOAD_SECONDS, "share partitions"
            )
            _publish(settings, warm_up)
            until(lambda: published(len(warm_up)), _RUN_SECONDS, "warm up")
            since = end_offsets(settings, enriched)
            workers = [psutil.Process(pid) for pid in started.pids().values() if pid is not None]
            before = [(cpu_seconds(worker), _received(port)) for worker, port in zip(workers, ports, strict=True)]
            _publish(settings, backlog)
            published_at_ms = time.time_ns() // 1_000_000
            until(lambda: published(len(warm_up) + len(backlog)), _RUN_SECONDS, "enrich everything")
            after = [(cpu_seconds(worker), _received(port)) for worker, port in zip(workers, ports, strict=True)]
            memory = memory_of(workers, device_bytes() - device_before)
    timestamps = [record.timestamp_ms for record in read_to_end(settings, enriched, since)]
    cpu = sum(late[0] - early[0] for early, late in zip(before, after, strict=True))
    received = [late[1] - early[1] for early, late in zip(before, after, strict=True)]
    return Run(
        rate_after(timestamps, published_at_ms),
        1000 * cpu / len(backlog),
        max(received) / max(1.0, sum(received)),
        memory,
    )


def _publish(settings: Settings, lines: list[Line]) -> None:
    with BlockingProducer(settings) as producer:
        send(lines, producer, rate=0, on_progress=lambda _: None)


def rate_after(timestamps_ms: Sequence[int], published_at_ms: int) -> float:
    """Records per second from the first that came when all was published; that moment only starts the clock.

    Publishing takes processor time from the processes, so what comes out meanwhile is left out. A backlog that is
    done before it is published measures the publishing: NaN.
    """
    later = [at for at in timestamps_ms if at >= published_at_ms]
    if not later or max(later) == min(later):
        return float("nan")
    first, last = min(later), max(later)
    return sum(at > first for at in later) / ((last - first) / 1000)


def _wait(done: Callable[[], bool], started: Processes, logs: Path, seconds: float, what: str) -> None:
    pids = started.pids()
    deadline = time.monotonic() + seconds
    while not done():
        started.keep_running()
        if started.pids() != pids or time.monotonic() > deadline:
            ends = "\n".join(f"── {log.name}\n{log.read_text()[-2000:]}" for log in sorted(logs.glob("*.log")))
            raise RuntimeError(f"the processes did not {what}; their logs end with\n{ends}")
        time.sleep(0.1)  # between two looks


def _received(port: int) -> float:
    return metric(port, "stream_app_records_received_total")
