"""The report of a soak: a section of soak.md, and soak.png."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness.report import processor
from benchmarks.soak.checker import MAX_REDIS_ERROR, RedisRow, Verdict
from benchmarks.soak.samples import Ending, Sample


def table(verdict: Verdict) -> list[str]:
    """The table of processes, as Markdown."""
    lines = [
        "| process | RSS after warm-up, MB | RSS at the end, MB | growth | of it unique | open files | threads |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in verdict.rows:
        files, threads = (f"{a:g} → {b:g}" for a, b in (row.open_files, row.threads))
        lines.append(
            f"| {row.name} | {row.rss_first / 1e6:.1f} | {row.rss_last / 1e6:.1f} | {row.growth:+.1%} "
            f"| {row.unique_growth:+.1%} | {files} | {threads} |"
        )
    return lines


def redis_sentence(redis: RedisRow) -> str:
    """Measured against computed, in one sentence."""
    more = {name: getattr(redis.last, name) - getattr(redis.first, name) for name in ("reviews", "products")}
    return (
        f"Redis: {more['reviews']:,} reviews and {more['products']:,} products more after the warm-up; "
        f"its data grew by {redis.measured_bytes / 1e6:.2f} MB, computed {redis.computed_bytes / 1e6:.2f} MB "
        f"({redis.error:+.0%}, allowed ±{MAX_REDIS_ERROR:.0%}); {redis.last.reviews:,} reviews, "
        f"{redis.last.products:,} products, {redis.last.keys:,} keys, {redis.last.bytes / 1e6:.2f} MB at the end."
    )


def report(
    verdict: Verdict,
    ending: Ending | None,
    parts: Mapping[str, tuple[int, int, int]],
    samples: list[Sample],
    reads: int,
    options: argparse.Namespace,
    warm_up: float,
) -> str:
    """A section of soak.md."""
    minutes = (samples[-1].seconds if samples else 0.0) / 60
    lines = [
        f"## {datetime.now(UTC).date().isoformat()}: {minutes:.1f} min at {options.rate:g} reviews/s, "
        + ("passed" if not verdict.failures else f"{len(verdict.failures)} failed"),
        "",
        f"{processor()}, {len(os.sched_getaffinity(0))} cores. Warm-up {warm_up / 60:.1f} min, {len(samples)} samples, "
        f"{reads} reads of the API, seed {options.seed}.",
        "",
        *table(verdict),
        "",
    ]
    if verdict.redis:
        lines.append(redis_sentence(verdict.redis))
    if parts:
        shown = ", ".join(
            f"{name} {size / 1000:,.0f} KB in {keys:,} keys ({size / items:.0f} an item)"
            for name, (keys, size, items) in parts.items()
            if items
        )
        lines.append(f"By kind of key: {shown}.")
    if ending:
        lines.append(
            f"Published {ending.published:,} = enriched {ending.enriched:,} + dead letter {ending.dead_lettered:,}; "
            f"applied {ending.applied:,}; lost {len(ending.lost)}; Redis holds {ending.held_reviews:,} of "
            f"{ending.distinct_reviews:,} different reviews."
        )
    lines.append("Most records behind: " + ", ".join(f"{role} {most}" for role, most in verdict.most_lag.items()) + ".")
    lines += ["", *(f"- **failed**: {failure}" for failure in verdict.failures)]
    return "\n".join(lines).rstrip() + "\n"


def append(section: str, file: Path) -> None:
    """Add the section at the end of the file; a new file gets its head first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    head = (
        "# Soak\n\nAppended by `make soak`. Growth: medians of the first and last quarter after the warm-up, or a line "
        "through all samples, whichever grows more.\nThe plot is of the last run.\n\n![memory over time](soak.png)\n"
    )
    before = file.read_text(encoding="utf-8") if file.exists() else head
    file.write_text(f"{before}\n{section}", encoding="utf-8")


def plot(samples: list[Sample], warm_up: float, file: Path) -> None:
    """RSS of every process relative to the end of the warm-up, and Redis' data measured and computed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    for name in samples[0].processes if samples else ():
        points = [(s.seconds / 60, s.processes[name].rss_bytes / 1e6) for s in samples if name in s.processes]
        left.plot(*zip(*points, strict=True), label=name)
    left.set(xlabel="minutes", ylabel="resident memory, MB", ylim=(0, None))
    views = [(sample.seconds / 60, sample.view) for sample in samples if sample.view is not None]
    base = next((view.bytes - view.computed_bytes for at, view in views if at * 60 >= warm_up), 0)
    right.plot([at for at, _ in views], [view.bytes / 1e6 for _, view in views], label="measured")
    computed = [(view.computed_bytes + base) / 1e6 for _, view in views]
    right.plot([at for at, _ in views], computed, "--", label="computed from what it holds")
    right.set(xlabel="minutes", ylabel="data in Redis, MB", ylim=(0, None))
    for axis in (left, right):
        axis.axvspan(0, warm_up / 60, color="#eeeeee")
        if samples:
            axis.legend(fontsize="small")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
