"""`make bench`: a first table of this machine. End to end against the models alone, and against one review at a time.

Each repeat takes the three measurements one after the other, so that a machine that slows down slows all of them;
medians and spreads over the repeats. Writes results.md, results.json and results.png beside this file.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import torch
from rich.console import Console
from rich.progress import Progress

from benchmarks.end_to_end import end_to_end
from benchmarks.models_alone import from_memory, one_at_a_time, prepared_texts
from benchmarks.workload import SAMPLE, Workload, workload
from stream_app.embedded.services import Services
from stream_app.models.loading import Loaded, device_of, load_models
from stream_app.settings import Settings

HERE = Path(__file__).parent
CONFIGURATIONS = {"BERT": False, "BERT and T5": True}
NAIVE_TEXTS = 60  # one at a time is slow, and its rate does not depend on how many there are
console = Console(stderr=True)


@dataclass(frozen=True)
class Row:
    """Reviews per second of one configuration, a value per repeat, and the ratios of the medians."""

    models: str
    end_to_end: list[float]
    from_memory: list[float]
    one_at_a_time: list[float]

    @property
    def efficiency(self) -> float:
        return statistics.median(self.end_to_end) / statistics.median(self.from_memory)

    @property
    def over_naive(self) -> float:
        return statistics.median(self.end_to_end) / statistics.median(self.one_at_a_time)


def measure(name: str, work: Workload, models: Loaded, settings: Settings, services: Services, repeats: int) -> Row:
    """One configuration, ``repeats`` times."""
    with_summaries = CONFIGURATIONS[name]
    texts = prepared_texts(work, settings)
    every = max(1, len(texts) // NAIVE_TEXTS)
    row = Row(name, [], [], [])
    from_memory(texts[:50], models, settings, with_summaries)  # warm-up
    for number in range(repeats):
        row.from_memory.append(from_memory(texts, models, settings, with_summaries))
        run = f"{os.getpid()}-{len(name)}-{number}"
        row.end_to_end.append(end_to_end(work, services, with_summaries=with_summaries, run=run))
        row.one_at_a_time.append(one_at_a_time(texts[::every], models, settings, with_summaries))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews to repeat; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=6000, help="how many reviews a run has (T5: a third of them)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="one small repeat: does it run at all?")
    options = parser.parse_args()
    count, repeats = (60, 1) if options.quick else (options.reviews, options.repeats)
    settings = Settings(summaries="always")
    models = load_models(settings)
    rows = []
    with Services(kafka_port=0, valkey_port=0, say=console.print) as services, Progress(console=console) as progress:
        for name, with_summaries in progress.track(CONFIGURATIONS.items(), description="measuring"):
            work = workload(options.input, count // 3 if with_summaries else count)
            rows.append(measure(name, work, models, settings, services, repeats))
    write(rows, work, device_of(settings).reason, options.output)


def write(rows: list[Row], work: Workload, device: str, folder: Path) -> None:
    """results.md, results.json, results.png."""
    folder.mkdir(parents=True, exist_ok=True)
    both = rows[-1]
    results = {
        "end_to_end_efficiency": round(both.efficiency, 3),
        "end_to_end_over_naive": round(both.over_naive, 2),
        "measured_at": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "device": device,
        "torch": torch.__version__,
        "mix": work.source,
        "rows": [
            asdict(row) | {"efficiency": round(row.efficiency, 3), "over_naive": round(row.over_naive, 2)}
            for row in rows
        ],
    }
    (folder / "results.json").write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    (folder / "results.md").write_text(table(rows, results), encoding="utf-8")
    plot(rows, folder / "results.png")
    print(table(rows, results))


def table(rows: list[Row], results: dict[str, object]) -> str:
    """The results for people: reviews per second as median (least - most)."""
    lines = [
        "# Measured",
        "",
        f"{results['measured_at']}, {results['processor']}, {results['cores']} cores, torch {results['torch']}; "
        f"{results['device']}. Mix: {results['mix']}. Written by `make bench`.",
        "",
        "| models | end to end, reviews/s | the same models fed from memory | ÷ | one review at a time | ÷ |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.models} | {shown(row.end_to_end)} | {shown(row.from_memory)} | **{row.efficiency:.2f}** "
            f"| {shown(row.one_at_a_time)} | **{row.over_naive:.1f}** |"
        )
    lines += [
        "",
        "End to end: Kafka → `enrich` → Kafka → `summarize` → Valkey, all on this machine, timed on the enriched topic "
        "from the first record to the last, with a backlog. Summaries: `always`.",
        "",
        "![reviews per second](results.png)",
        "",
    ]
    return "\n".join(lines)


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} – {max(values):.1f})"


def plot(rows: list[Row], file: Path) -> None:
    """Bars per configuration, with the spread over the repeats."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(rows), figsize=(4.2 * len(rows), 3.4), layout="constrained", squeeze=False)
    for axis, row in zip(axes[0], rows, strict=True):
        bars = {"one at a time": row.one_at_a_time, "end to end": row.end_to_end, "from memory": row.from_memory}
        for place, values in enumerate(bars.values()):
            middle = statistics.median(values)
            error = [[middle - min(values)], [max(values) - middle]]
            axis.bar(place, middle, yerr=error, capsize=4, color=("#b0b0b0", "#2563eb", "#94b8f5")[place])
            axis.text(place, middle, f" {middle:.0f}", ha="left", va="bottom")
        axis.set_xticks(range(len(bars)), list(bars))
        axis.set_title(row.models)
        axis.set_ylabel("reviews per second")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def processor() -> str:
    """The processor's name and what decides its speed here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
    features = [
        one for one in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if one in facts["flags"].split()
    ]
    return f"{facts['model name']} family {facts['cpu family']} ({', '.join(features)})"


if __name__ == "__main__":
    main()
