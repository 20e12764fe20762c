"""What judging a review's sentences costs: the same classifier with and without its sentence heads, in turns.

python -m benchmarks.probes.sentences --model FOLDER --precision fp32 --backend ctranslate2
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.load.workload import SAMPLE
from benchmarks.probes.batcher import drain
from benchmarks.probes.encoders import model_texts

if TYPE_CHECKING:
    from stream_app.models.classifier import Classifier

WITH, WITHOUT = "with sentences", "without"


@dataclass(frozen=True)
class SentenceCost:
    """Seconds of each round, by variant. The rounds of the two alternate, each first in half of them."""

    seconds: dict[str, list[float]]

    @property
    def shares(self) -> list[float]:
        """Of each round: how much longer it took with sentences, as a share."""
        return [with_ / without - 1 for with_, without in zip(self.seconds[WITH], self.seconds[WITHOUT], strict=True)]

    @property
    def share(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.shares)

    def line(self, texts: int) -> str:
        rates = ", ".join(f"{name} {texts / statistics.median(of):,.1f} reviews/s" for name, of in self.seconds.items())
        return f"{rates}: {self.share:+.1%} time (rounds {min(self.shares):+.1%} to {max(self.shares):+.1%})"


def in_turns(variants: Mapping[str, Callable[[], float]], rounds: int) -> SentenceCost:
    """``variants``: WITH and WITHOUT, each computes everything once and returns its seconds."""
    seconds: dict[str, list[float]] = {WITHOUT: [], WITH: []}
    for number in range(rounds):
        for name in (WITHOUT, WITH) if number % 2 else (WITH, WITHOUT):
            seconds[name].append(variants[name]())
    return SentenceCost(seconds)


def microseconds_a_text(work: Callable[[Sequence[str]], object], texts: Sequence[str], at_once: int = 32) -> float:
    """Processor time of this process, the best of five."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for start in range(0, len(texts), at_once):
            work(texts[start : start + at_once])
        best = min(best, time.process_time() - began)
    return 1e6 * best / len(texts)


def _seconds(
    classifier: Classifier, texts: Sequence[str], sizes: tuple[int, int, int], clock: Callable[[], float]
) -> float:
    began = clock()
    drain(classifier, texts, *sizes)
    return clock() - began


def main() -> None:
    from stream_app.models.autotune import measure_budget
    from stream_app.models.classifier import find_classifier
    from stream_app.models.device import DeviceChoice, cores, find_device
    from stream_app.models.loading import silence_libraries
    from stream_app.steps.sentences import sentences

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled", help="a classifier's name or folder, with sentence heads")
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--backend", choices=("torch", "ctranslate2"), default="ctranslate2")
    parser.add_argument("--precision", choices=("fp32", "bf16", "int8"), default="fp32")
    parser.add_argument("--processor-time", action="store_true", help="of all threads; on a CPU that is busy otherwise")
    options = parser.parse_args()
    silence_libraries()
    where = find_device(threads=1)[0]
    found = find_classifier(options.model)
    if found.sentence_heads is None:
        parser.error(f"{options.model} has no sentence heads")
    workers = cores() if where == "cpu" else found.gpu_workers
    choice = DeviceChoice(where, options.precision, 1, "", options.backend, workers)
    texts = model_texts(options.input, options.reviews)
    without = replace(found, sentence_heads=None)
    budget = measure_budget(without.on(choice), choice)
    clock = time.process_time if options.processor_time else time.perf_counter
    sizes = budget.micro_batch_tokens, budget.batch_tokens, workers
    classifiers = {WITH: found.on(choice), WITHOUT: without.on(choice)}
    variants = {name: partial(_seconds, of, texts, sizes, clock) for name, of in classifiers.items()}
    for variant in variants.values():
        variant()  # warm-up
    print(f"{options.model} on {where}, {options.backend} {options.precision}, {workers} workers, {len(texts)} reviews")
    print(in_turns(variants, options.rounds).line(len(texts)))
    print(
        "processor time a review, in µs: tokens "
        f"{microseconds_a_text(without.text_tokenizer(), texts):,.0f}, with sentences "
        f"{microseconds_a_text(found.text_tokenizer(), texts):,.0f}, of these sentence ends "
        f"{microseconds_a_text(lambda some: [sentences(text) for text in some], texts):,.0f}"
    )


if __name__ == "__main__":
    main()
