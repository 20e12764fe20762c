"""`make bench`: measures this machine and writes results.md, results.json and results.png.

One section after another: the classifier, T5, end to end on Kafka and Valkey, plumbing against other frameworks,
latency under load, look-ups, several processes. Each section's ratios come from one run of it, its repeats taken in
turns; a section is written when it is done, so that `--only` measures one anew and leaves the others (of the same
machine) alone.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from benchmarks import encoders, latency, lookups, plumbing, plumbing_profile, run_sizes, scaling, summaries
from benchmarks.end_to_end import EndToEnd, end_to_end
from benchmarks.models_alone import FROM_MEMORY, ONE_AT_A_TIME, models_alone, prepared_texts
from benchmarks.own_broker import own_broker
from benchmarks.plot import plot
from benchmarks.report import median, processor, shown
from benchmarks.workload import SAMPLE, workload
from stream_app.embedded.services import Services
from stream_app.models.result_cache import LONGEST_TEXT
from stream_app.settings import Settings

HERE = Path(__file__).parent
_REVIEWS = {"cpu": 4000, "cuda": 40_000}  # of a backlog
_ENRICH = {"cpu": 1, "cuda": 6}  # processes that it takes to feed the device
_MODELS_ALONE = "for comparison: the models alone, fed from memory, on all cores"
console = Console(stderr=True)


@dataclass(frozen=True)
class Options:
    """``quick``: sizes that mean nothing; does it run at all?"""

    input: Path
    quick: bool
    repeats: int
    frameworks: bool
    device: str

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True)
class Measured:
    """What a section found: its text in Markdown, numbers for the head of results.json, and bars for the plot."""

    text: str
    numbers: dict[str, float]
    bars: dict[str, list[float]]


def _encoders(options: Options) -> Measured:
    """The classifier, in every way"""
    reviews = options.size(encoders.REVIEWS[options.device], 40)
    found = encoders.measure_encoders(options.input, reviews, options.repeats, console.print)
    chosen = found.runs[found.chosen]
    naive, arrival = (median(found.rates(way)) for way in (encoders.NAIVE, encoders.ARRIVAL))
    numbers = {
        "encoder_share_of_peak": found.share_of_peak(found.exact),
        "padding_share": median([run.padding_share for run in chosen]),
        "encoder_over_naive": median(found.rates(found.chosen)) / naive,
        "encoder_over_arrival_order": median(found.rates(found.chosen)) / arrival,
    }
    if encoders.BF16 in found.runs:
        numbers["encoder_share_of_bf16_peak"] = found.share_of_peak(encoders.BF16)
    text = "\n".join([f"{found.reason}. {found.mean_tokens:.0f} tokens a review.", "", *encoders.table(found)])
    if found.products_shares:
        share = numbers["encoder_products_share_of_peak"] = median(found.products_shares)
        text += (
            "\n\nThe products with weights of this shape alone, by the fastest of torch, oneDNN and numpy and with "
            f"nothing between them, reach {share:.0%} of the fp32 peak: about what can be hoped for. "
            "CTranslate2's padding is that of attention, as its share of the work."
        )
    if options.device == "cpu":
        from stream_app.models.autotune import BATCH_SECONDS

        reviews, seconds = (20, 0.0) if options.quick else (run_sizes.REVIEWS, run_sizes.SECONDS)
        sizes = [
            run_sizes.run_sizes(options.input, precision, reviews, seconds) for precision in run_sizes.precisions()
        ]
        text += (
            "\n\nWhat larger packed runs by torch would bring, and what their time goes to (nothing between the runs; "
            "an alert waits for the one on the device, and a worker's batch is to take no more than "
            f"{1000 * BATCH_SECONDS:.0f} ms):\n\n" + "\n".join(run_sizes.table(sizes))
        )
    if not options.quick or options.device == "cuda":  # on a CPU it takes minutes
        reviews = options.size(encoders.BASE_REVIEWS[options.device], 40)
        base = encoders.measure_encoders(options.input, reviews, options.repeats, console.print, encoders.BASE)
        numbers["bert_base_share_of_peak"] = base.share_of_peak(base.exact)
        if encoders.BF16 in base.runs:
            numbers["bert_base_share_of_bf16_peak"] = base.share_of_peak(encoders.BF16)
        numbers["bert_base_reviews_per_second"] = median(base.rates(base.chosen))
        text += "\n".join(
            [
                "",
                "",
                f"{encoders.BASE} ({reviews} texts, random weights; bold: the fastest):",
                "",
                *encoders.table(base),
            ]
        )
    return Measured(text, numbers, {way: found.rates(way) for way in found.runs})


def _summaries(options: Options) -> Measured:
    """T5, against generate in batches of 16"""
    texts = options.size(summaries.TEXTS[options.device], 16)
    found = summaries.measure_summaries(options.input, texts, options.repeats, console.print)
    numbers: dict[str, float] = {}
    for precision, way in summaries.OURS[options.device].items():
        numbers[f"t5_{precision}_over_generate"] = found.over_generate(summaries.SMALL, way)
        numbers[f"t5_{precision}_same_text"] = found.same_text(way)
    bars = {way: found.rates(summaries.SMALL, way) for way in found.runs[summaries.SMALL]}
    return Measured("\n".join(summaries.table(found)), numbers, bars)


def _end_to_end(options: Options) -> Measured:
    """End to end, against the same models fed from memory, and against one review at a time"""
    lines = [
        "| models | end to end, reviews/s | the same models fed from memory | ÷ | one review at a time, fp32 | ÷ |",
        "|---|---|---|---|---|---|",
    ]
    numbers: dict[str, float] = {}
    bars: dict[str, list[float]] = {}
    spent: dict[str, dict[str, float]] = {}
    at_rest: dict[str, dict[str, float]] = {}
    with Services(kafka_port=0, valkey_port=0, say=console.print) as services:
        for models, with_summaries in (("BERT", False), ("BERT and T5", True)):
            count = options.size(_REVIEWS[options.device], 60)
            processes = _ENRICH[options.device]
            work = workload(options.input, count)
            if processes > 1:
                work = scaling.a_product_each(work)  # else one has most of the reviews
            memory: list[float] = []
            runs: list[EndToEnd] = []
            naive: list[float] = []
            for repeat in range(options.repeats):
                console.print(f"end to end: {models}, {repeat + 1} of {options.repeats}")
                memory.append(models_alone(FROM_MEMORY, options.input, count, with_summaries=with_summaries))
                run = f"{os.getpid()}-{with_summaries:d}-{repeat}"
                runs.append(end_to_end(work, services, with_summaries=with_summaries, run=run, processes=processes))
                few = max(20, min(100, count // 20))
                naive.append(models_alone(ONE_AT_A_TIME, options.input, few, with_summaries=with_summaries))
            whole = [one.reviews_per_second for one in runs]
            spent[models] = {name: median([one.cpu_us[name] for one in runs]) for name in runs[0].cpu_us}
            spent[models][_MODELS_ALONE] = 1e6 * len(os.sched_getaffinity(0)) / median(memory)
            at_rest[models] = {
                name: 1e6 * median([one.at_rest[name] for one in runs]) / median(whole) for name in runs[0].at_rest
            }
            numbers["end_to_end_efficiency"] = median(whole) / median(memory)
            numbers["end_to_end_over_naive"] = median(whole) / median(naive)
            lines.append(
                f"| {models} | {shown(whole)} | {shown(memory)} | **{median(whole) / median(memory):.2f}** "
                f"| {shown(naive)} | **{median(whole) / median(naive):.1f}** |"
            )
            bars |= {f"{models}: naive": naive, f"{models}: end to end": whole, f"{models}: from memory": memory}
    lines += [
        "",
        f"End to end: Kafka → `enrich` ({_ENRICH[options.device]} process(es)) → Kafka → `summarize` → Valkey, all on "
        "this machine, timed on the enriched topic from the first record to the last, with a backlog. Summaries: "
        "`always`; nothing is answered from known texts.",
        "",
        *_processor_time(spent, at_rest),
        "",
        _known(options.input),
    ]
    return Measured("\n".join(lines), numbers, bars)


def _processor_time(spent: Mapping[str, Mapping[str, float]], at_rest: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Where the microseconds of a review go; both: by models, then by process. ``at_rest``: what the process takes in a
    review's time while nothing comes.
    """
    lines = [
        f"| processor time of a review, µs (at rest, in the same time) | {' | '.join(spent)} |",
        "|---|" + "---|" * len(spent),
    ]
    for name in next(iter(spent.values())):
        cells = [
            f"{of_one[name]:,.0f}" + (f" ({at_rest[models][name]:,.0f})" if name in at_rest[models] else "")
            for models, of_one in spent.items()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _known(path: Path) -> str:
    """How many reviews of the file a worker would answer from an equal text."""
    given = workload(path, 10**6, repeat=False)
    texts = [one.model_text for one in prepared_texts(given, Settings())]
    repeated = sum(len(text) <= LONGEST_TEXT for text in texts) - len({t for t in texts if len(t) <= LONGEST_TEXT})
    return (
        f"Of the {len(texts):,} reviews of {path.name}, {repeated / len(texts):.1%} are word for word an earlier one."
    )


def _plumbing(options: Options) -> Measured:
    """Plumbing: everything but the models"""
    with own_broker(console.print) as address:
        work = workload(options.input, options.size(30_000, 300))
        found = plumbing.plumbing(
            work, address, repeats=options.repeats, with_frameworks=options.frameworks, say=console.print
        )
        text = plumbing.table(found)
        if not options.quick:
            try:
                text += "\n\n" + plumbing_profile.profile_table(plumbing_profile.profile(work, address))
            except plumbing_profile.ProfilerMissing as missing:
                text += f"\n\nNo profile: {missing}"
    numbers = {"plumbing_over_bare_faust": found.over_bare_faust}
    if found.over_frameworks:
        numbers["plumbing_over_best_peer"] = min(found.over_frameworks.values())
    bars = {way.name: [run.reviews_per_second for run in way.runs] for way in found.ways if way.runs}
    return Measured(text, numbers, bars)


def _latency(options: Options) -> Measured:
    """Latency of alerts and of enriched reviews under load"""
    seconds, backlog = options.size(30, 3), options.size(_REVIEWS[options.device], 100)
    with own_broker(console.print) as address:
        found = latency.latency(
            address, input=options.input, seconds=seconds, backlog=backlog, overload=not options.quick
        )
    high = found.load(0.8).alert_ms
    numbers = {"alert_p50_ms_at_80_percent": high.p50, "alert_p99_ms_at_80_percent": high.p99}
    return Measured(latency.table(found), numbers, {})


def _look_ups(options: Options) -> Measured:
    """Look-ups through the API"""
    if options.quick:
        found = lookups.look_ups(products=5, reviews=50, rate=50, seconds=1, connections=4, ladder=())
    else:
        found = lookups.look_ups()
    return Measured(lookups.table(found), {"look_up_p99_ms": found.runs[0].answers.latency_ms.p99}, {})


def _scaling(options: Options) -> Measured:
    """Several processes of `enrich` on this machine"""
    with own_broker(console.print) as address:
        settings = Settings(brokers=address)
        found = scaling.scaling(
            workload(options.input, options.size(_REVIEWS[options.device], 48)),
            settings,
            processes=(1, 2) if options.device == "cpu" else (1, 2, 4, 12),
            repeats=options.repeats,
        )
    lines = ["| models | processes | reviews/s | ÷ one | memory, MB (PSS) |", "|---|---|---|---|---|"]
    for row in found.rows:
        rates = shown([run.reviews_per_second for run in row.runs])
        lines.append(f"| {row.models} | {row.processes} | {rates} | {found.over_one(row):.2f} | {row.megabytes:.0f} |")
    return Measured("\n".join(lines), {}, {})


SECTIONS: dict[str, Callable[[Options], Measured]] = {
    "encoders": _encoders,
    "summaries": _summaries,
    "end-to-end": _end_to_end,
    "plumbing": _plumbing,
    "latency": _latency,
    "look-ups": _look_ups,
    "scaling": _scaling,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews to repeat; default: the sample stream")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=SECTIONS, nargs="+", help="measure these sections anew, keep the others")
    parser.add_argument("--no-peers", action="store_true", help="install no other frameworks")
    parser.add_argument("--output", type=Path, default=HERE, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="one small repeat of each: does it run at all?")
    given = parser.parse_args()
    options = Options(
        given.input,
        given.quick,
        1 if given.quick else given.repeats,
        not (given.no_frameworks or given.quick),
        "cuda" if "gpu" in _this_machine() else "cpu",
    )
    given.output.mkdir(parents=True, exist_ok=True)
    for name in given.only or SECTIONS:
        began = time.monotonic()
        console.rule(name)
        measured = SECTIONS[name](options)
        minutes = (time.monotonic() - began) / 60
        write(name, measured, workload(options.input, 1, repeat=False).source, minutes, given.output)
        print(f"{measured.text}\n")


def write(name: str, measured: Measured, mix: str, minutes: float, folder: Path) -> None:
    """Put the section into results.json in place of an older one, and draw results.md and results.png from all."""
    file = folder / "results.json"
    machine = _this_machine()
    try:
        results = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        results = {}
    if results.get("machine") != machine:
        results = {"machine": machine, "sections": {}}
    results["sections"][name] = {
        "title": SECTIONS[name].__doc__,
        "measured_at": datetime.now(UTC).date().isoformat(),
        "mix": mix,
        "minutes": round(minutes, 1),
        "numbers": {key: round(value, 4) for key, value in measured.numbers.items()},
        "bars": measured.bars,
        "text": measured.text,
    }
    ordered = {one: results["sections"][one] for one in SECTIONS if one in results["sections"]}
    head = {key: value for section in ordered.values() for key, value in section["numbers"].items()}
    results = head | {"machine": machine, "sections": ordered}
    file.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    (folder / "results.md").write_text(_page(results), encoding="utf-8")
    plot({section["title"]: section["bars"] for section in ordered.values()}, folder / "results.png")


def _this_machine() -> dict[str, Any]:
    import torch

    machine = {"processor": processor(), "cores": len(os.sched_getaffinity(0)), "torch": torch.__version__}
    return machine | ({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def _page(results: dict[str, Any]) -> str:
    machine = results["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}"
    where += f", {machine['gpu']}" if "gpu" in machine else ""
    lines = ["# Measured", "", f"{where}. Written by `make bench`: medians (least – most).", ""]
    lines += ["![reviews per second](results.png)", ""]
    for section in results["sections"].values():
        lines += [f"## {section['title']}", "", f"{section['measured_at']}, {section['mix']}.", "", section["text"], ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
