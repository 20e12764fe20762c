"""How `enrich` scales on one machine: reviews per second and memory with 1, 2, … processes of one group.

python -m benchmarks.sections.scaling --processes 1 2 --repeats 3

Each run starts its processes as `stream-app up --enrich N` does, waits until all of them have loaded their models and
hold partitions, warms them up, and publishes the backlog, the same in each run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.harness.own_broker import own_broker
from benchmarks.harness.report import shown
from benchmarks.harness.worker_metrics import free_ports
from benchmarks.load.workload import SAMPLE, Workload, a_product_each, workload
from benchmarks.probes.scaling import PARTITIONS, Run, timed_run
from benchmarks.sections.section import BACKLOG_REVIEWS, Measured, Options
from stream_app.commands.options import settings_from
from stream_app.commands.processes import PROGRAM
from stream_app.settings import Settings

MODELS = {"BERT": "off", "BERT and T5": "always"}
_WARM_UP_SHARE = 10
console = Console(stderr=True)


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
            found.append(timed_run(own, warm_up, evenly.lines, count, program))
            console.print(
                f"{name}, {count} process(es), repeat {repeat + 1}/{repeats}: "
                f"{found[-1].reviews_per_second:.0f} reviews/s, {found[-1].memory.proportional:.0f} MB"
            )
    rows = tuple(Row(name, count, tuple(found)) for (name, count), found in runs.items())
    return Scaling(work.source, len(work.lines), rows)


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


def measure(options: Options) -> Measured:
    """Several processes of `enrich` on this machine"""
    with own_broker(console.print) as address:
        settings = Settings(brokers=address)
        found = scaling(
            workload(options.input, options.size(BACKLOG_REVIEWS[options.device], 48)),
            settings,
            processes=(1, 2) if options.device == "cpu" else (1, 2, 4, 12),
            repeats=options.repeats,
        )
    lines = ["| models | processes | reviews/s | ÷ one | memory, MB (PSS) |", "|---|---|---|---|---|"]
    for row in found.rows:
        rates = shown([run.reviews_per_second for run in row.runs])
        lines.append(f"| {row.models} | {row.processes} | {rates} | {found.over_one(row):.2f} | {row.megabytes:.0f} |")
    return Measured("\n".join(lines), {}, {})


if __name__ == "__main__":
    main()
