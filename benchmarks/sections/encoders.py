"""The classifier alone, in every variant, compared with naive ones and with the device's limit.

Each variant runs in a process of its own, because libraries that share a process change each other's speed. The
variants take turns, several times, so that a machine that slows down slows all of them. The labels of every timed run
are compared with those of transformers in fp32. A result above the measured peak is an error of the measurement.

    python -m benchmarks.sections.encoders --input reviews.jsonl     prints the table
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from benchmarks.harness.own_process import measured
from benchmarks.harness.report import median, shown
from benchmarks.load.workload import SAMPLE
from benchmarks.probes import run_sizes
from benchmarks.probes.encoders import ARRIVAL, BASE, BF16, BUNDLED, NAIVE, OURS, SORTED, EncoderRun, in_own_process
from benchmarks.sections.section import Measured, Options
from stream_app.settings import Settings

_LOWER_PRECISION = {variant for variant, (_, precision) in OURS.items() if precision != "fp32"}
REVIEWS = {"cpu": 1400, "cuda": 40_000}
BASE_REVIEWS = {"cpu": 120, "cuda": 40_000}
console = Console(stderr=True)


@dataclass(frozen=True)
class EncoderResult:
    """All runs by variant. ``chosen``, ``reason``: the variant that a worker uses here, and why. Of BERT-base's shape,
    which has no card, it is the fastest.
    """

    mean_tokens: float
    runs: dict[str, list[EncoderRun]]
    chosen: str
    reason: str
    products_shares: tuple[float, ...] = ()
    """What the products with the bundled model's weights reach of a CPU's fp32 peak by themselves, one per repeat."""

    def rates(self, variant: str) -> list[float]:
        """Reviews per second of the mix, a value per repeat."""
        return [run.tokens_per_second / self.mean_tokens for run in self.runs[variant]]

    @property
    def exact(self) -> str:
        """The fastest of our variants in fp32 (transformers' own where there is none of ours)."""
        ours = (OURS.keys() & self.runs.keys()) - _LOWER_PRECISION
        return max(ours or {SORTED}, key=lambda variant: median(self.rates(variant)))

    def share_of_peak(self, variant: str) -> float:
        return median([run.share_of_peak for run in self.runs[variant]])

    def same_labels(self, variant: str) -> float:
        """The share of the reviews with the label of transformers in fp32 (one at a time where it was asked), of those
        that both classified.
        """
        reference: dict[int, int] = {}
        for one in (self.runs[SORTED][0], self.runs[NAIVE][0]):
            reference |= one.labels
        labels = self.runs[variant][0].labels
        both = labels.keys() & reference.keys()
        return sum(reference[index] == labels[index] for index in both) / len(both)


def measure_encoders(
    path: Path, reviews: int, repeats: int, say: Callable[[str], None], model: str = BUNDLED
) -> EncoderResult:
    """Every variant that this device and model offer, ``repeats`` times each."""
    from stream_app.models.device import BF16_MUST_GAIN, bf16_gain, find_device
    from stream_app.models.loading import load_sentiment_model

    where = find_device(threads=1)[0]
    offered = [
        NAIVE,
        ARRIVAL,
        SORTED,
        *(variant for variant, parts in OURS.items() if where == "cpu" or parts == ("torch", "bf16")),
    ]
    if where == "cpu" and bf16_gain("cpu") < BF16_MUST_GAIN:
        offered.remove(BF16)
    how = load_sentiment_model(Settings(device=where)).how if model == BUNDLED else ""
    runs: dict[str, list[EncoderRun]] = {variant: [] for variant in offered}
    shares: list[float] = []
    for repeat in range(repeats):
        if where == "cpu" and model == BUNDLED:
            shares.append(measured("benchmarks.probes.peak")["products_share"])
        for variant in offered:
            say(f"encoder, {model}: {variant}, {repeat + 1} of {repeats}")
            runs[variant].append(in_own_process(variant, path, reviews, model))
    for variant, of_variant in runs.items():
        if (share := max(run.share_of_peak for run in of_variant)) > 1:
            raise RuntimeError(f"{variant} computed {share:.2f} of the measured peak: the measurement is wrong")
    every = runs[SORTED][0]
    result = EncoderResult(every.tokens / every.reviews, runs, SORTED, how, tuple(shares))
    if how:
        chosen = next((variant for variant, parts in OURS.items() if f"; {' '.join(parts)}, because" in how), SORTED)
    else:
        chosen = max(OURS.keys() & runs, key=lambda variant: median(result.rates(variant)))
    return replace(result, chosen=chosen)


def table(result: EncoderResult) -> list[str]:
    """Markdown lines."""
    naive, arrival = median(result.rates(NAIVE)), median(result.rates(ARRIVAL))
    lines = [
        "| variant | reviews/s | ÷ one at a time | ÷ arrival order "
        "| of its precision's peak | padding | labels as fp32 |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant, runs in result.runs.items():
        rate = median(result.rates(variant))
        bold = "**" if variant == result.chosen else ""
        peak = median([run.peak_flops for run in runs]) / 1e9
        lines.append(
            f"| {bold}{variant}{bold} | {shown(result.rates(variant))} | {rate / naive:.2f} | {rate / arrival:.2f} "
            f"| {result.share_of_peak(variant):.0%} of {peak:,.0f} G/s "
            f"| {median([run.padding_share for run in runs]):.1%} | {result.same_labels(variant):.1%} |"
        )
    return lines


def measure(options: Options) -> Measured:
    """The classifier, in every variant"""
    reviews = options.size(REVIEWS[options.device], 40)
    found = measure_encoders(options.input, reviews, options.repeats, console.print)
    chosen = found.runs[found.chosen]
    naive, arrival = (median(found.rates(variant)) for variant in (NAIVE, ARRIVAL))
    numbers = {
        "encoder_share_of_peak": found.share_of_peak(found.exact),
        "padding_share": median([run.padding_share for run in chosen]),
        "encoder_over_naive": median(found.rates(found.chosen)) / naive,
        "encoder_over_arrival_order": median(found.rates(found.chosen)) / arrival,
    }
    if BF16 in found.runs:
        numbers["encoder_share_of_bf16_peak"] = found.share_of_peak(BF16)
    text = "\n".join([f"{found.reason}. {found.mean_tokens:.0f} tokens a review.", "", *table(found)])
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
        reviews = options.size(BASE_REVIEWS[options.device], 40)
        base = measure_encoders(options.input, reviews, options.repeats, console.print, BASE)
        numbers["bert_base_share_of_peak"] = base.share_of_peak(base.exact)
        if BF16 in base.runs:
            numbers["bert_base_share_of_bf16_peak"] = base.share_of_peak(BF16)
        numbers["bert_base_reviews_per_second"] = median(base.rates(base.chosen))
        text += "\n".join(
            [
                "",
                "",
                f"{BASE} ({reviews} texts, random weights; bold: the fastest):",
                "",
                *table(base),
            ]
        )
    return Measured(text, numbers, {variant: found.rates(variant) for variant in found.runs})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=REVIEWS["cpu"])
    parser.add_argument("--model", choices=(BUNDLED, BASE), default=BUNDLED)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    result = measure_encoders(options.input, options.reviews, options.repeats, console.print, options.model)
    print("\n".join([*table(result), "", result.reason]))


if __name__ == "__main__":
    main()
