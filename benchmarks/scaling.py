"""How `enrich` scales on one machine: reviews per second and memory with 1, 2, … processes of one group.

python -m benchmarks.scaling --processes 1 2 --repeats 3

Each run starts its processes as `stream-app up --enrich N` does, waits until all of them have loaded their models and
hold partitions, warms them up, and publishes the backlog, the same in each run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.own_broker import own_broker
from benchmarks.process_memory import Memory, device_bytes, memory_of
from benchmarks.worker_metrics import free_ports, metric, partitions_assigned
from benchmarks.workload import SAMPLE, Workload, workload
from stream_app.commands.options import settings_from
from stream_app.commands.processes import PROGRAM, Processes
from stream_app.commands.publish import send
from stream_app.commands.review_files import Line
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings

MODELS = {"BERT": "off", "BERT and T5": "always"}
PARTITIONS = 12
"""Shared evenly by 1, 2, 3, 4, 6 and 12 processes."""
_WARM_UP_SHARE = 10
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


@dataclass(frozen=True)
class Row:
    """A number of processes with one choice of models; a Run per repeat."""

    models: str
    processes: int
    runs: tuple[Run, ...]

    @property
    def reviews_per_second(self) -> float:
        return statistics.median(run.reviews_per_second for run in self.runs)

    @property
    def megabytes(self) -> float:
        return statistics.median(run.memory.proportional for run in self.runs)


@dataclass(frozen=True)
class Scaling:
    """Raw values of every run, in the order of the models and of the numbers of processes."""

    source: str
    reviews: int
    rows: tuple[Row, ...]

    def over_one(self, row: Row) -> float:
        """Reviews per second ÷ those of the smallest number of processes with the same models."""
        first = min((one for one in self.rows if one.models == row.models), key=lambda one: one.processes)
        return row.reviews_per_second / first.reviews_per_second


def scaling(
    work: Workload,
    settings: Settings,
    *,
    processes: Sequence[int] = (1, 2),
    repeats: int = 3,
    models: Sequence[str] = tuple(MODELS),
    program: Sequence[str] = PROGRAM,
) -> Scaling:
    """Measure each number of processes with each choice of models, ``repeats`` times, interleaved.

    ``settings``: the brokers, and whatever the models need; topics, state and ports are the benchmark's own.
    Raises RuntimeError, with the end of the logs, when a run does not come to its end.
    """
    evenly = a_product_each(work)
    warm_up = evenly.lines[: max(PARTITIONS, len(evenly.lines) // _WARM_UP_SHARE)]
    runs: dict[tuple[str, int], list[Run]] = {(name, count): [] for name in models for count in processes}
    for repeat in range(repeats):
        for (name, count), found in runs.items():
            own = settings.model_copy(
                update={
                    "topic_prefix": f"scaling-{time.time_ns()}.",
                    "summaries": MODELS[name],
                    "partitions": PARTITIONS,
                    "metrics_port": free_ports(count),
                    "cached_texts": 0,  # the backlog repeats itself: remembered answers would cost nothing
                }
            )
            found.append(_run(own, warm_up, evenly.lines, count, program))
            console.print(
                f"{name}, {count} process(es), repeat {repeat + 1}/{repeats}: "
                f"{found[-1].reviews_per_second:.0f} reviews/s, {found[-1].memory.proportional:.0f} MB"
            )
    rows = tuple(Row(name, count, tuple(found)) for (name, count), found in runs.items())
    return Scaling(work.source, len(work.lines), rows)


def a_product_each(work: Workload) -> Workload:
    """Each review under a product of its own: the partitions, and so the processes, get equal shares."""
    lines = []
    for number, line in enumerate(work.lines):
        review = {**orjson.loads(line.value), "product_id": f"scaling-{number}"}
        lines.append(Line(review["product_id"].encode(), orjson.dumps(review)))
    return Workload(work.source, lines)


def _run(settings: Settings, warm_up: list[Line], backlog: list[Line], count: int, program: Sequence[str]) -> Run:
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
            before = [(_cpu_seconds(worker), _received(port)) for worker, port in zip(workers, ports, strict=True)]
            _publish(settings, backlog)
            published_at_ms = time.time_ns() // 1_000_000
            until(lambda: published(len(warm_up) + len(backlog)), _RUN_SECONDS, "enrich everything")
            after = [(_cpu_seconds(worker), _received(port)) for worker, port in zip(workers, ports, strict=True)]
            memory = memory_of(workers, device_bytes() - device_before)
    timestamps = [record.timestamp_ms for record in read_to_end(settings, enriched, since)]
    cpu = sum(late[0] - early[0] for early, late in zip(before, after, strict=True))
    received = [late[1] - early[1] for early, late in zip(before, after, strict=True)]
    return Run(
        _rate(timestamps, published_at_ms),
        1000 * cpu / len(backlog),
        max(received) / max(1.0, sum(received)),
        memory,
    )


def _publish(settings: Settings, lines: list[Line]) -> None:
    with BlockingProducer(settings) as producer:
        send(lines, producer, rate=0, on_progress=lambda _: None)


def _rate(timestamps_ms: Sequence[int], published_at_ms: int) -> float:
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


def _cpu_seconds(worker: psutil.Process) -> float:
    times = worker.cpu_times()
    return float(times.user + times.system)


def _received(port: int) -> float:
    return metric(port, "stream_app_records_received_total")


@contextmanager
def _brokers(settings: Settings, given: str | None) -> Iterator[Settings]:
    """The settings with the brokers named, or with one of our own on loopback."""
    if given is not None:
        yield settings
        return
    with own_broker(console.print) as address:
        yield settings.model_copy(update={"brokers": address})


def table(result: Scaling) -> Table:
    """For people: medians."""
    shown = Table(title=f"enrich on one machine; {result.source}")
    for column in ("models", "processes", "reviews/s", "÷ fewest", "CPU ms/review", "MB (PSS)", "MB (USS)", "GPU MB"):
        shown.add_column(column, justify="left" if column == "models" else "right")
    for row in result.rows:
        runs = row.runs
        shown.add_row(
            row.models,
            str(row.processes),
            f"{row.reviews_per_second:.0f}",
            f"{result.over_one(row):.2f}",
            f"{statistics.median(run.cpu_ms_per_review for run in runs):.2f}",
            f"{row.megabytes:.0f}",
            f"{statistics.median(run.memory.unique for run in runs):.0f}",
            f"{statistics.median(run.memory.device for run in runs):.0f}",
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog="The raw values go to stdout."
    )
    parser.add_argument("--input", type=Path, default=SAMPLE, help="JSONL or CSV of reviews; default: the sample")
    parser.add_argument(
        "--reviews",
        type=int,
        default=4000,
        help="size of the backlog; on a GPU some 20 s of work (500000), or publishing is what is measured",
    )
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[1, 2], help=f"numbers of processes; divisors of {PARTITIONS}"
    )
    parser.add_argument("--models", choices=MODELS, nargs="+", default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3, help="runs of each number, interleaved")
    parser.add_argument("--brokers", help="Kafka bootstrap servers; default: a broker started for this benchmark")
    given = parser.parse_args()
    if wrong := [count for count in given.processes if count < 1 or PARTITIONS % count]:
        parser.error(f"{wrong} do not divide the {PARTITIONS} partitions: some processes would have more work")
    settings = settings_from(brokers=given.brokers or "embedded", redis="none")
    with _brokers(settings, given.brokers) as own:
        result = scaling(
            workload(given.input, given.reviews),
            own,
            processes=given.processes,
            repeats=given.repeats,
            models=given.models,
        )
    console.print(table(result))
    print(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
