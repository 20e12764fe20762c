"""How long an alert and an enriched review take, at a fifth of what a worker can do, near its limit, and beyond it.

A real `enrich` worker with the bundled models on a real broker. First a backlog says what it can do (its capacity);
then reviews come at random times fixed beforehand (Poisson), and each one's latency counts from the time it was due:
to the moment its alert, and its enriched review, can be read by a consumer.
Then T5 is one of T5-small's shape with 4 beams. What it can do is measured by a worker that waits for it
(`summaries=always`); at three times that rate a `best_effort` worker is compared with one without T5.

    python -m benchmarks.sections.latency                     # about 6 minutes
    python -m benchmarks.sections.latency --input reviews.jsonl --seconds 60
    python -m benchmarks.sections.latency --seconds 5 --backlog 300 --no-overload
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from rich.console import Console

from benchmarks.harness.own_broker import own_broker
from benchmarks.load.enrich_worker import WARM_UP_REVIEWS, Lines, capacity_of, enrich_worker, warm_up
from benchmarks.load.latency import LoadRun, load_worker
from benchmarks.load.workload import SAMPLE
from benchmarks.sections.section import BACKLOG_REVIEWS, Measured, Options

SHARES = (0.2, 0.8, 1.2)
T5_OVERLOAD = 3.0
console = Console(stderr=True)


@dataclass(frozen=True)
class T5Overload:
    """The same load on a best_effort worker, whose T5 cannot keep up, and on one without T5.

    Capacities in reviews a second, on a backlog: ``t5_capacity`` of a worker that waits for T5 (`always`),
    ``bert_capacity`` of one without it (`off`). The loads' share of capacity is that of ``bert_capacity``.
    """

    t5_capacity: float
    bert_capacity: float
    with_t5: LoadRun
    without_t5: LoadRun


@dataclass(frozen=True)
class Latency:
    """All loads of one run. ``capacity``: reviews a second of a best_effort worker on a backlog."""

    mix: str
    seed: int
    capacity: float
    loads: list[LoadRun]
    overload: T5Overload | None

    def load(self, share: float) -> LoadRun:
        """The load at this share of capacity. Raises StopIteration when there is none."""
        return next(load for load in self.loads if load.share_of_capacity == share)


def latency(
    brokers: str,
    *,
    input: Path = SAMPLE,
    seconds: float = 30,
    backlog: int = 4000,
    shares: Sequence[float] = SHARES,
    overload: bool = True,
    seed: int = 1,
) -> Latency:
    """Everything, on these brokers, in topics of its own. ``seconds``: of each load; ``backlog``: reviews.

    Without ``overload`` one worker is started instead of four. Raises RuntimeError when a worker dies or does not get
    through what it was given.
    """
    lines = Lines(input)
    with enrich_worker(brokers, "best_effort") as worker:
        warm_up(worker, lines)
        capacity = capacity_of(worker, lines, backlog)
        loads = []
        for number, share in enumerate(shares):
            name = f"{share:.0%} of capacity"
            loads.append(load_worker(worker, lines, name, share * capacity, share, seconds, seed + number))
    compared = _overload(brokers, lines, seconds, backlog, seed + len(shares)) if overload else None
    return Latency(lines.source, seed, capacity, loads, compared)


def _overload(brokers: str, lines: Lines, seconds: float, backlog: int, seed: int) -> T5Overload:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        t5 = {"summary_model": _t5_small(Path(folder)), "summary_beams": 4}
        with enrich_worker(brokers, "always", **t5) as worker:
            warm_up(worker, lines)
            t5_capacity = capacity_of(worker, lines, max(WARM_UP_REVIEWS, backlog // 20))
        with enrich_worker(brokers, "off") as worker:
            warm_up(worker, lines)
            bert_capacity = capacity_of(worker, lines, backlog)
            rate = T5_OVERLOAD * t5_capacity
            share = rate / bert_capacity
            without_t5 = load_worker(worker, lines, "the same without T5", rate, share, seconds, seed)
        with enrich_worker(brokers, "best_effort", **t5) as worker:
            warm_up(worker, lines)
            with_t5 = load_worker(worker, lines, f"{T5_OVERLOAD:.0%} of T5's capacity", rate, share, seconds, seed)
    return T5Overload(t5_capacity, bert_capacity, with_t5, without_t5)


def _t5_small(folder: Path) -> str:
    """A T5 of T5-small's shape that was never trained, with the bundled tokenizer: it costs what a real one costs."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    from stream_app.models.loading import silence_libraries
    from stream_app.models.summarizer import find_summarizer

    silence_libraries()
    tokenizer = find_summarizer("bundled").tokenizer
    torch.manual_seed(0)  # the same hash each time: it is converted once
    config = T5Config(vocab_size=len(tokenizer), decoder_start_token_id=0)  # the defaults are T5-small's
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def table(found: Latency) -> str:
    """The loads as Markdown, latencies in ms."""
    overload = found.overload
    lines = [
        f"Mix: {found.mix}. Capacity: {found.capacity:.0f} reviews/s with best_effort. "
        "Latency in ms from the time a review was due.",
        "",
        "| load | reviews/s | alerts | p50 | p90 | p99 | max | raised p50 | enriched p50 | p90 | p99 | max "
        "| summaries late | waiting at most | growth/s | BERT, T5 busy | RSS |",
        "|" + "---|" * 17,
    ]
    for run in (*found.loads, *((overload.with_t5, overload.without_t5) if overload else ())):
        alert, enriched = run.alert_ms, run.enriched_ms
        cells = [
            run.name,
            f"{run.rate:.0f}",
            str(alert.count),
            *(f"{ms:.0f}" for ms in (alert.p50, alert.p90, alert.p99, alert.max, run.raised_ms.p50)),
            *(f"{ms:.0f}" for ms in (enriched.p50, enriched.p90, enriched.p99, enriched.max)),
            f"{run.summaries_late} of {run.summaries_wanted}",
            str(run.peak_waiting),
            f"{run.growth:.1f}",
            ", ".join(f"{busy:.2f}" for busy in run.device_busy.values()),
            f"{run.peak_rss_bytes / 1e6:.0f} MB",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for run in found.loads:
        if run.share_of_capacity > 1:
            medians = " → ".join(f"{ms / 1000:.1f}" for ms in run.alert_ms_by_fifth)
            lines += ["", f"At {run.name} the median alert of each fifth of the load takes {medians} s."]
    if overload:
        lines += [
            "",
            f"T5's capacity (T5-small's shape, 4 beams) is that of a worker that waits for it: "
            f"{overload.t5_capacity:.1f} reviews/s. A worker without T5 does {overload.bert_capacity:.0f}.",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews to repeat; default: the sample stream")
    parser.add_argument("--seconds", type=float, default=30, help="of each load")
    parser.add_argument("--backlog", type=int, default=4000, help="reviews that say what a worker can do")
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES, help="loads, as shares of the capacity")
    parser.add_argument("--no-overload", dest="overload", action="store_false", help="leave out the loads about T5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the raw values instead of a table")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    with own_broker(console.print) as address:
        found = latency(address, **options)
    print(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode() if as_json else table(found))


def measure(options: Options) -> Measured:
    """Latency of alerts and of enriched reviews under load"""
    seconds, backlog = options.size(30, 3), options.size(BACKLOG_REVIEWS[options.device], 100)
    with own_broker(console.print) as address:
        found = latency(address, input=options.input, seconds=seconds, backlog=backlog, overload=not options.quick)
    high = found.load(0.8).alert_ms
    numbers = {"alert_p50_ms_at_80_percent": high.p50, "alert_p99_ms_at_80_percent": high.p99}
    return Measured(table(found), numbers, {})


if __name__ == "__main__":
    main()
