"""Reviews per second through all of `enrich` with models that cost nothing, against bare Faust and other frameworks.

Each run has topics of its own with the whole backlog in them, and one process under test. It is timed on the broker's
clock (LogAppendTime of the enriched topic) from the first batch to the last; bare Faust, which writes nothing, in its
agent. Then the outputs are checked: each input led to one, a sample equals what the steps give, all is committed.

    python -m benchmarks.sections.overhead --reviews 30000 --repeats 5
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.frameworks.installing import FRAMEWORKS, Framework, FrameworkMissing, python_of
from benchmarks.harness.own_broker import own_broker
from benchmarks.load.workload import SAMPLE, Workload, workload
from benchmarks.probes import overhead_profile
from benchmarks.probes.overhead import (
    LIMIT_SECONDS,
    Bench,
    Run,
    WrongOutput,
    backlog,
    failure,
    framework_environment,
    our_worker,
    running,
    timed_run,
)
from benchmarks.sections.section import Measured, Options

OURS = "enrich"
OURS_WITH_SUMMARIES = "enrich, summaries too"
BARE_FAUST = "bare Faust, JSON decoded"
console = Console(stderr=True)


@dataclass(frozen=True)
class Variant:
    """One framework, or ours: the work it does, its runs, or why there are none."""

    name: str
    does: str
    runs: tuple[Run, ...]
    missing: str | None = None

    @property
    def median(self) -> float:
        """Reviews per second. Raises StatisticsError without a run."""
        return statistics.median(run.reviews_per_second for run in self.runs)


@dataclass(frozen=True)
class Overhead:
    """All variants on one backlog; the repeats of each were taken in turns."""

    mix: str
    reviews: int
    variants: tuple[Variant, ...]

    def variant(self, name: str) -> Variant:
        return next(variant for variant in self.variants if variant.name == name)

    @property
    def over_bare_faust(self) -> float:
        return self.variant(OURS).median / self.variant(BARE_FAUST).median

    @property
    def over_frameworks(self) -> dict[str, float]:
        """Our median divided by that of each framework that ran."""
        frameworks = [
            variant
            for variant in self.variants
            if variant.name in {framework.name for framework in FRAMEWORKS} and variant.runs
        ]
        return {variant.name: self.variant(OURS).median / variant.median for variant in frameworks}


def overhead(
    work: Workload,
    brokers: str,
    *,
    repeats: int,
    with_frameworks: bool = True,
    say: Callable[[str], object] = console.print,
) -> Overhead:
    """Measure every variant ``repeats`` times, in turns.

    A framework that cannot be installed, or fails, has no runs and a reason.
    """
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
                partial(_framework, framework=framework, python=python),
            )
    runs: dict[str, list[Run]] = {name: [] for name in measures}
    for number in range(repeats):
        for at, (name, (_, measure)) in enumerate(measures.items()):
            if name in missing:
                continue
            with backlog(work, brokers, f"overhead-{os.getpid()}-{number}-{at}.") as bench:
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
    variants = [Variant(name, does, tuple(runs[name]), missing.get(name)) for name, (does, _) in measures.items()]
    variants += [
        Variant(framework.name, framework.does, (), missing[framework.name])
        for framework in FRAMEWORKS
        if framework.name in missing.keys() - runs
    ]
    return Overhead(work.source, len(work.lines), tuple(variants))


def _ours(bench: Bench, summaries: str) -> Run:
    with tempfile.TemporaryDirectory() as state:
        command, environment = our_worker(bench, summaries, state)
        return timed_run(bench, command, environment, bench.settings.group("enrich"), same_bytes=summaries == "off")


def _framework(bench: Bench, framework: Framework, python: Path) -> Run:
    command = [str(python), "-m", f"benchmarks.frameworks.{framework.module}", bench.job.as_argument()]
    return timed_run(bench, command, framework_environment(), bench.job.group, same_bytes=True)


def _bare_faust(bench: Bench) -> Run:
    command = [sys.executable, "-m", "benchmarks.frameworks.faust_decode", bench.job.as_argument()]
    with running(command, framework_environment()) as (process, log):
        try:
            process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise failure(process, log) from None
        found = re.search(r"measured (\S+) (\S+)", log.read_text())
        if found is None:
            raise failure(process, log)
        return Run(float(found[1]), float(found[2]))


def table(results: Overhead) -> str:
    """A Markdown table of all variants: median (least - most), and how many times faster or slower than bare Faust."""
    bare = results.variant(BARE_FAUST).median
    lines = [
        "| variant | reviews/s | ÷ bare Faust | CPU µs a review | does |",
        "|---|---|---|---|---|",
    ]
    for variant in results.variants:
        if not variant.runs:
            lines.append(f"| {variant.name} | – | – | – | {(variant.missing or 'did not run').splitlines()[0]} |")
            continue
        rates = [run.reviews_per_second for run in variant.runs]
        cpu = statistics.median(run.cpu_us_per_review for run in variant.runs)
        lines.append(
            f"| {variant.name} | {variant.median:.0f} ({min(rates):.0f} – {max(rates):.0f}) "
            f"| {variant.median / bare:.2f} | {cpu:.0f} | {variant.does} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews to repeat; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=30_000, help="the backlog of each run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each variant, taken in turns")
    parser.add_argument("--no-peers", action="store_true", help="only ours and bare Faust; nothing is installed")
    options = parser.parse_args()
    with own_broker(console.print) as address:
        work = workload(options.input, options.reviews)
        results = overhead(work, address, repeats=options.repeats, with_frameworks=not options.no_peers)
    print(table(results))


def measure(options: Options) -> Measured:
    """Overhead: everything but the models"""
    with own_broker(console.print) as address:
        work = workload(options.input, options.size(30_000, 300))
        found = overhead(work, address, repeats=options.repeats, with_frameworks=options.frameworks, say=console.print)
        text = table(found)
        if not options.quick:
            try:
                text += "\n\n" + overhead_profile.profile_table(overhead_profile.profile(work, address))
            except overhead_profile.ProfilerMissing as missing:
                text += f"\n\nNo profile: {missing}"
    numbers = {"plumbing_over_bare_faust": found.over_bare_faust}
    if found.over_frameworks:
        numbers["plumbing_over_best_peer"] = min(found.over_frameworks.values())
    bars = {
        variant.name: [run.reviews_per_second for run in variant.runs] for variant in found.variants if variant.runs
    }
    return Measured(text, numbers, bars)


if __name__ == "__main__":
    main()
