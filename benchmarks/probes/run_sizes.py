"""What larger runs would bring a packed encoder on this CPU, and what the time of a run goes to.

All workers compute runs of at most one size, with nothing between them: no batcher, and all texts tokenised before. An
alert waits for the run that is on the device when its review comes, so the size is a bargain.

    python -m benchmarks.probes.run_sizes --input reviews.jsonl     prints the table
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness.own_process import measured
from benchmarks.harness.report import median
from benchmarks.load.workload import SAMPLE
from benchmarks.probes.encoders import model_texts
from benchmarks.probes.peak import flops_of, peak_flops

SIZES = (256, 512, 1024, 2048)
PRODUCTS, ATTENTION, OTHER = "products with weights (and GELU)", "attention", "all else"
REVIEWS = 300
SECONDS = 4.0  # of each size, in each round
_ROUNDS = 3
_PARTS_OF = 512  # tokens


@dataclass(frozen=True)
class RunSizes:
    """By tokens of a run: ``shares`` of the peak of ``precision``, and how long one takes, in ms, where all workers
    compute. ``parts``: shares of the time of a run of 512 tokens, of one worker alone.
    """

    precision: str
    peak_flops: float
    shares: dict[int, float]
    run_ms: dict[int, float]
    parts: dict[str, float]


def run_sizes(path: Path, precision: str, reviews: int = REVIEWS, seconds: float = SECONDS) -> RunSizes:
    """In a process of its own. ``seconds``: of each size, in each of three rounds."""
    options = ("--input", path, "--precision", precision, "--reviews", reviews, "--seconds", seconds)
    answer = measured("benchmarks.probes.run_sizes", *options)
    by_size = {name: {int(size): one for size, one in answer[name].items()} for name in ("shares", "run_ms")}
    return RunSizes(**answer | by_size)


def _measure(path: Path, precision: Any, reviews: int, seconds: float) -> RunSizes:
    from stream_app.models.classifier import find_classifier
    from stream_app.models.device import DeviceChoice, cores, find_device
    from stream_app.models.loading import silence_libraries

    silence_libraries()
    find_device("cpu", threads=1)
    found = find_classifier("bundled")
    workers = cores()
    classifier = found.on(DeviceChoice("cpu", precision, 1, "", "torch", workers))
    texts = classifier.tokenize(model_texts(path, reviews))
    rates: dict[int, list[float]] = {size: [] for size in SIZES}
    run_ms: dict[int, list[float]] = {size: [] for size in SIZES}
    for number in range(_ROUNDS):
        random.Random(number).shuffle(texts)  # other runs each time: in a stream hardly one comes twice
        for size in SIZES:
            runs = _cut(classifier, texts, size)
            for rate, milliseconds in _on_all(classifier, found.model.config, runs, workers, seconds):
                rates[size].append(rate * workers)
                run_ms[size].append(milliseconds)
    peak = peak_flops(found.model.config, "cpu", precision, workers)
    shares = {size: median(of_size) / peak for size, of_size in rates.items()}
    if seconds and max(shares.values()) > 1:  # one run each means nothing anyway
        raise RuntimeError(f"runs computed {max(shares.values()):.2f} of the measured peak: the measurement is wrong")
    parts = _parts(classifier, _cut(classifier, texts, _PARTS_OF))
    return RunSizes(precision, peak, shares, {size: median(of_size) for size, of_size in run_ms.items()}, parts)


def _cut(classifier: Any, texts: Sequence[Any], size: int) -> list[list[Any]]:
    return [[texts[index] for index in run] for run in classifier.plan.cut([one.length for one in texts], size)]


def _on_all(
    classifier: Any, config: Any, runs: Sequence[Any], workers: int, seconds: float
) -> list[tuple[float, float]]:
    """(operations per second, milliseconds of a run) of each worker; all compute for so long, each runs of its own."""
    workers = min(workers, len(runs))
    ready = threading.Barrier(workers)

    def work(own: Sequence[Any]) -> tuple[float, float]:
        ready.wait()
        began = time.perf_counter()
        operations, done = 0.0, 0
        for run in cycle(own):
            classifier.run(run)
            operations += flops_of(config, [one.length for one in run])
            done += 1
            if (spent := time.perf_counter() - began) >= seconds:
                break
        return operations / spent, 1e3 * spent / done

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, (runs[number::workers] for number in range(workers))))


def _parts(classifier: Any, runs: Sequence[Any]) -> dict[str, float]:
    """Shares of the time, measured around the calls of each part. For the rest of this process they are slower."""
    from stream_app.models import encoders

    spent = {PRODUCTS: 0.0, ATTENTION: 0.0}

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*given: Any) -> Any:
            began = time.perf_counter()
            result = call(*given)
            spent[part] += time.perf_counter() - began
            return result

        return wrapper

    encoders.PrepackedLinear.forward = timed(PRODUCTS, encoders.PrepackedLinear.forward)  # type: ignore[method-assign]
    encoders.attend = timed(ATTENTION, encoders.attend)
    began = time.perf_counter()
    for run in runs:
        classifier.run(run)
    whole = time.perf_counter() - began
    shares = {part: seconds / whole for part, seconds in spent.items()}
    return {**shares, OTHER: 1 - sum(shares.values())}


def table(found: Sequence[RunSizes]) -> list[str]:
    """Markdown lines."""
    lines = [
        "| runs of | " + " | ".join(f"{one.precision}, of {one.peak_flops / 1e9:,.0f} G/s" for one in found) + " |",
        "|---|" + "---|" * len(found),
    ]
    for size in SIZES:
        cells = [f"{one.shares[size]:.0%}, {one.run_ms[size]:.0f} ms each" for one in found]
        lines.append(f"| at most {size:,} tokens | {' | '.join(cells)} |")
    for part in (PRODUCTS, ATTENTION, OTHER):
        cells = [f"{one.parts[part]:.0%}" for one in found]
        lines.append(f"| of those of {_PARTS_OF}: {part} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=REVIEWS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each size, in each of three rounds")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="this one alone, as JSON")
    options = parser.parse_args()
    if options.precision:
        found = _measure(options.input, options.precision, options.reviews, options.seconds)
        print(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS).decode())
        return
    print("\n".join(table([run_sizes(options.input, one, options.reviews, options.seconds) for one in precisions()])))


def precisions() -> list[str]:
    """Those that this CPU has units for."""
    from stream_app.models.device import BF16_MUST_GAIN, bf16_gain, find_device

    find_device("cpu", threads=1)
    return ["fp32", "bf16"] if bf16_gain("cpu") >= BF16_MUST_GAIN else ["fp32"]


if __name__ == "__main__":
    main()
