"""Reviews per second end to end, compared with the same models fed from memory and with one review at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from benchmarks.harness.report import median, shown
from benchmarks.load.workload import a_product_each, workload
from benchmarks.probes.end_to_end import EndToEnd, end_to_end
from benchmarks.probes.models_alone import FROM_MEMORY, ONE_AT_A_TIME, models_alone
from benchmarks.probes.texts import prepared_texts
from benchmarks.sections.section import BACKLOG_REVIEWS, Measured, Options
from stream_app.embedded.services import Services
from stream_app.models.result_cache import LONGEST_TEXT
from stream_app.settings import Settings

_ENRICH = {"cpu": 1, "cuda": 6}  # processes that it takes to feed the device
_MODELS_ALONE = "for comparison: the models alone, fed from memory, on all cores"
console = Console(stderr=True)


def measure(options: Options) -> Measured:
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
            count = options.size(BACKLOG_REVIEWS[options.device], 60)
            processes = _ENRICH[options.device]
            work = workload(options.input, count)
            if processes > 1:
                work = a_product_each(work)  # else one has most of the reviews
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
        "`always`; nothing is answered from the cache.",
        "",
        *_processor_time(spent, at_rest),
        "",
        _repeated_texts(options.input),
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


def _repeated_texts(path: Path) -> str:
    """How many reviews of the file a worker would answer from an equal text."""
    given = workload(path, 10**6, repeat=False)
    texts = [one.model_text for one in prepared_texts(given, Settings())]
    repeated = sum(len(text) <= LONGEST_TEXT for text in texts) - len({t for t in texts if len(t) <= LONGEST_TEXT})
    return (
        f"Of the {len(texts):,} reviews of {path.name}, {repeated / len(texts):.1%} are word for word an earlier one."
    )
