"""Reviews per second through all of `enrich` with models that cost nothing, against bare Faust and other frameworks.

Each run has topics of its own with the whole backlog in them, and one process under test. It is timed on the broker's
clock (LogAppendTime of the enriched topic) from the first batch to the last; bare Faust, which writes nothing, in its
agent. Then the outputs are checked: each input led to one, a sample equals what the steps give, all is committed.

    python -m benchmarks.plumbing --reviews 30000 --repeats 5
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console

from benchmarks.frameworks.installing import FRAMEWORKS, Framework, FrameworkMissing, python_of
from benchmarks.frameworks.job import Job
from benchmarks.own_broker import own_broker
from benchmarks.plumbing_work import MODEL, first_difference
from benchmarks.workload import SAMPLE, Workload, workload
from stream_app import contract
from stream_app.commands.options import environment_of
from stream_app.commands.publish import send
from stream_app.embedded.server_process import die_with
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.records import Position, RawRecord, Rejected
from stream_app.settings import Settings

PROJECT = Path(__file__).parent.parent
OURS = "enrich"
OURS_WITH_SUMMARIES = "enrich, summaries too"
BARE_FAUST = "bare Faust, JSON decoded"
_SAMPLE_EVERY = 97
LIMIT_SECONDS = 120.0
_COMMIT_LIMIT_SECONDS = 15.0
_LOOK_SECONDS = 0.1
console = Console(stderr=True)


@dataclass(frozen=True)
class Run:
    """One timed run: reviews per second, and the processor time of the process under test per review."""

    reviews_per_second: float
    cpu_us_per_review: float


@dataclass(frozen=True)
class Way:
    """One way of doing the job: the work it does, its runs, or why there are none."""

    name: str
    does: str
    runs: tuple[Run, ...]
    missing: str | None = None

    @property
    def median(self) -> float:
        """Reviews per second. Raises StatisticsError without a run."""
        return statistics.median(run.reviews_per_second for run in self.runs)


@dataclass(frozen=True)
class Plumbing:
    """All ways on one backlog; the repeats of each were taken in turns."""

    mix: str
    reviews: int
    ways: tuple[Way, ...]

    def way(self, name: str) -> Way:
        return next(way for way in self.ways if way.name == name)

    @property
    def over_bare_faust(self) -> float:
        return self.way(OURS).median / self.way(BARE_FAUST).median

    @property
    def over_frameworks(self) -> dict[str, float]:
        """Our median over that of each peer that ran."""
        frameworks = [way for way in self.ways if way.name in {framework.name for framework in FRAMEWORKS} and way.runs]
        return {way.name: self.way(OURS).median / way.median for way in frameworks}


class WrongOutput(Exception):
    """A run's outputs are not what the steps give: its time says nothing."""


def plumbing(
    work: Workload,
    brokers: str,
    *,
    repeats: int,
    with_frameworks: bool = True,
    say: Callable[[str], object] = console.print,
) -> Plumbing:
    """Every way ``repeats`` times, in turns. A peer that cannot be installed, or fails, has no runs and says why."""
    measures: dict[str, tuple[str, Callable[[Bench], Run]]] = {
        OURS: ("all of `enrich`, summaries off", lambda bench: _ours(bench, "off")),
        OURS_WITH_SUMMARIES: ("all of `enrich`, with a summarizer that costs nothing", lambda b: _ours(b, "always")),
        BARE_FAUST: ("orjson.loads of each record, nothing else", _bare_faust),
    }
    missing: dict[str, str] = {}
    for framework in FRAMEWORKS if with_frameworks else ():
        try:
            python = python_of(framework)
        except FrameworkMissing as reason:
            missing[framework.name] = str(reason)
            say(f"{framework.name}: {reason}")
        else:
            measures[framework.name] = (
                framework.does,
                lambda bench, framework=framework, python=python: _framework(bench, framework, python),
            )
    runs: dict[str, list[Run]] = {name: [] for name in measures}
    for number in range(repeats):
        for at, (name, (_, measure)) in enumerate(measures.items()):
            if name in missing:
                continue
            with backlog(work, brokers, f"plumbing-{os.getpid()}-{number}-{at}.") as bench:
                try:
                    run = measure(bench)
                except (RuntimeError, WrongOutput) as error:
                    if name in (OURS, OURS_WITH_SUMMARIES, BARE_FAUST):
                        raise
                    missing[name], runs[name] = f"failed: {error}", []
                    say(f"{name}: {missing[name]}")
                    continue
            runs[name].append(run)
            say(f"{name}: {run.reviews_per_second:.0f} reviews/s, {run.cpu_us_per_review:.1f} µs of CPU each")
    ways = [Way(name, does, tuple(runs[name]), missing.get(name)) for name, (does, _) in measures.items()]
    ways += [
        Way(framework.name, framework.does, (), missing[framework.name])
        for framework in FRAMEWORKS
        if framework.name in missing.keys() - runs
    ]
    return Plumbing(work.source, len(work.lines), tuple(ways))


# ---- one run


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
        group = f"{self.settings.topic_prefix}peer"
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


def _ours(bench: Bench, summaries: str) -> Run:
    with tempfile.TemporaryDirectory() as state:
        command, environment = our_worker(bench, summaries, state)
        return _timed(bench, command, environment, bench.settings.group("enrich"), same_bytes=summaries == "off")


def our_worker(bench: Bench, summaries: str, state_folder: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a worker `enrich` with models that cost nothing."""
    named = {
        "STREAM_APP_SUMMARIES": summaries,
        "STREAM_APP_STATE_FOLDER": state_folder,
        "STREAM_APP_CACHED_TEXTS": "0",  # the workload repeats itself: every review is to go the whole way
    }
    return [sys.executable, "-m", "benchmarks.noop_models"], {**environment_of(bench.settings), **named}


def _framework(bench: Bench, framework: Framework, python: Path) -> Run:
    command = [str(python), "-m", f"benchmarks.frameworks.{framework.module}", bench.job.as_argument()]
    return _timed(bench, command, _framework_environment(), bench.job.group, same_bytes=True)


def _bare_faust(bench: Bench) -> Run:
    command = [sys.executable, "-m", "benchmarks.frameworks.faust_decode", bench.job.as_argument()]
    with running(command, _framework_environment()) as (process, log):
        try:
            process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise failure(process, log) from None
        found = re.search(r"measured (\S+) (\S+)", log.read_text())
        if found is None:
            raise failure(process, log)
        return Run(float(found[1]), float(found[2]))


def _framework_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


def _timed(bench: Bench, command: list[str], environment: dict[str, str], group: str, *, same_bytes: bool) -> Run:
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
                command,
                cwd=PROJECT,
                env={**environment, "APP_DATADIR": folder},  # Faust's own folder would stay in the project
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with(os.getpid()),
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


# ---- the command


def table(results: Plumbing) -> str:
    """A Markdown table of all ways: median (least - most), and how many times faster or slower than bare Faust."""
    bare = results.way(BARE_FAUST).median
    lines = [
        "| way | reviews/s | ÷ bare Faust | CPU µs a review | does |",
        "|---|---|---|---|---|",
    ]
    for way in results.ways:
        if not way.runs:
            lines.append(f"| {way.name} | – | – | – | {(way.missing or 'did not run').splitlines()[0]} |")
            continue
        rates = [run.reviews_per_second for run in way.runs]
        cpu = statistics.median(run.cpu_us_per_review for run in way.runs)
        lines.append(
            f"| {way.name} | {way.median:.0f} ({min(rates):.0f} – {max(rates):.0f}) | {way.median / bare:.2f} "
            f"| {cpu:.0f} | {way.does} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews to repeat; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=30_000, help="the backlog of each run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each way, taken in turns")
    parser.add_argument("--no-peers", action="store_true", help="ours and bare Faust alone; nothing is installed")
    options = parser.parse_args()
    with own_broker(console.print) as address:
        work = workload(options.input, options.reviews)
        results = plumbing(work, address, repeats=options.repeats, with_frameworks=not options.no_frameworks)
    print(table(results))


if __name__ == "__main__":
    main()
