"""T5 alone against transformers' ``generate`` in batches of 16.

On a model of T5-small's shape (random weights: its rate depends on the shape alone), 256 tokens in, 32 out, 4 beams, in
runs of the fastest size; and on the bundled one, which answers real reviews as a worker asks it to, and is compared
with ``generate`` in fp32.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.harness.own_process import measured
from benchmarks.harness.report import median, shown
from benchmarks.load.workload import SAMPLE

if TYPE_CHECKING:
    pass
from benchmarks.probes.summaries import BATCH, BATCHES, BUNDLED, NAIVE, OURS, SMALL, SummaryRun
from benchmarks.sections.section import Measured, Options

TEXTS = {"cpu": 400, "cuda": 4096}
_MOST_ALONE = 40
console = Console(stderr=True)


@dataclass(frozen=True)
class SummaryResult:
    """All runs by model and variant, of the variants that this device has."""

    runs: dict[str, dict[str, list[SummaryRun]]]

    def rates(self, model: str, variant: str) -> list[float]:
        return [run.per_second for run in self.runs[model][variant]]

    def over_generate(self, model: str, variant: str) -> float:
        """How many times as fast as ``generate`` in fp32 in batches of 16."""
        return median(self.rates(model, variant)) / median(self.rates(model, BATCHES))

    def same_text(self, variant: str) -> float:
        """The share of the bundled model's summaries that are, word for word, those of ``generate`` in fp32."""
        expected, found = self.runs[BUNDLED][BATCHES][0].summaries, self.runs[BUNDLED][variant][0].summaries
        pairs = list(zip(expected, found, strict=False))
        return sum(a == b for a, b in pairs) / len(pairs)


def measure_summaries(path: Path, texts: int, repeats: int, say: Callable[[str], None]) -> SummaryResult:
    """Every model in every variant, in turns. ``texts``: of the bundled model; the other has fewer."""
    from stream_app.models.device import find_device

    device = find_device(threads=1)[0]
    naive = NAIVE if device == "cpu" else (BATCHES,)  # one at a time takes a GPU minutes
    offered = (*naive, *OURS[device].values())
    runs: dict[str, dict[str, list[SummaryRun]]] = {
        model: {variant: [] for variant in offered} for model in (SMALL, BUNDLED)
    }
    for repeat in range(repeats):
        for model, variants in runs.items():
            for variant, of_variant in variants.items():
                say(f"T5: {model}: {variant}, {repeat + 1} of {repeats}")
                count = _count(model, variant, texts, device)
                arguments = ("--model", model, "--way", variant, "--input", path, "--texts", count)
                of_variant.append(SummaryRun(**measured("benchmarks.probes.summaries", *arguments)))
    return SummaryResult(runs)


def _count(model: str, variant: str, texts: int, device: str) -> int:
    """How many texts: slow variants get fewer, their rate does not depend on it."""
    of_small = max(2 * BATCH, texts // 8) if device == "cpu" else max(2 * BATCH, texts // 2)
    count = texts if model == BUNDLED else of_small
    if variant not in NAIVE:
        return count
    return max(BATCH, count // 4) if variant == BATCHES else min(max(4, count // 4), _MOST_ALONE)


def table(result: SummaryResult) -> list[str]:
    """Markdown lines."""
    lines = ["| T5 | variant | summaries/s | ÷ batches of 16 | same text as in fp32 |", "|---|---|---|---|---|"]
    for model, variants in result.runs.items():
        for variant in variants:
            same = f"{result.same_text(variant):.1%}" if model == BUNDLED else "–"
            rates = shown(result.rates(model, variant), 2)
            lines.append(f"| {model} | {variant} | {rates} | {result.over_generate(model, variant):.1f} | {same} |")
    return lines


def measure(options: Options) -> Measured:
    """T5, against generate in batches of 16"""
    texts = options.size(TEXTS[options.device], 16)
    found = measure_summaries(options.input, texts, options.repeats, console.print)
    numbers: dict[str, float] = {}
    for precision, variant in OURS[options.device].items():
        numbers[f"t5_{precision}_over_generate"] = found.over_generate(SMALL, variant)
        numbers[f"t5_{precision}_same_text"] = found.same_text(variant)
    bars = {variant: found.rates(SMALL, variant) for variant in found.runs[SMALL]}
    return Measured("\n".join(table(found)), numbers, bars)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews; default: the sample stream")
    parser.add_argument("--texts", type=int, default=TEXTS["cpu"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("\n".join(table(measure_summaries(options.input, options.texts, options.repeats, console.print))))


if __name__ == "__main__":
    main()
