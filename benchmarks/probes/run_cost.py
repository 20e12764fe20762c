"""What a run of CTranslate2's encoder costs here: by itself, per token, and per pair of tokens in attention.

stream_app/steps/batch_plan.py follows from this: `python -m benchmarks.probes.run_cost`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stream_app.models.loading import silence_libraries

if TYPE_CHECKING:
    from stream_app.models.classifier import Classifier
    from stream_app.models.device import Precision

_SHAPES = (
    *([length] for length in (10, 25, 50, 100, 200, 400)),
    *([25] * texts for texts in (4, 8, 16)),
    *([50] * texts for texts in (4, 8)),
    *([100] * texts for texts in (2, 4)),
    *([100, 50], [100, 50, 50], [100, 25, 25], [100, 25, 25, 25, 25]),
    *([200, 200], [200, 100], [200, 50], [200, 25], [200, 25, 25, 25, 25], [400, 200], [400, 25]),
)
"""Tokens of each text of a run."""


@dataclass(frozen=True)
class RunCost:
    """``worst``: how far a measured run is from what these say, as a share of it."""

    run_ms: float
    token_ms: float
    pair_ms: float
    worst: float


def fitted(seconds: Mapping[tuple[int, ...], float]) -> RunCost:
    """By least squares of the relative differences; ``seconds`` of runs, by the lengths of their texts."""
    costs = np.array([[1.0, sum(run), len(run) * max(run) ** 2] for run in seconds])
    measured = 1e3 * np.array(list(seconds.values()))
    (run, token, pair), *_ = np.linalg.lstsq(costs / measured[:, None], np.ones(len(measured)), rcond=None)
    worst = np.abs(costs @ [run, token, pair] / measured - 1).max()
    return RunCost(float(run), float(token), float(pair), float(worst))


def measure(classifier: Classifier, repeats: int) -> dict[tuple[int, ...], float]:
    """The fastest of ``repeats`` for each shape, interleaved."""
    seconds = {tuple(shape): float("inf") for shape in _SHAPES}
    runs = {shape: classifier.tokenize(_texts(shape)) for shape in seconds}
    for _ in range(repeats):
        for shape, run in runs.items():
            assert [one.length for one in run] == list(shape)
            began = time.perf_counter()
            classifier.run(run)
            seconds[shape] = min(seconds[shape], time.perf_counter() - began)
    return seconds


def _texts(lengths: Sequence[int]) -> list[str]:
    return ["word " * (length - 2) for length in lengths]  # without [CLS] and [SEP]


def main() -> None:
    from stream_app.models.classifier import find_classifier
    from stream_app.models.device import DeviceChoice, find_device

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bundled", help="a classifier's name or folder")
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    silence_libraries()
    find_device("cpu", threads=1)
    found = find_classifier(options.model)
    width = found.model.config.hidden_size
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    for precision in precisions:
        classifier = found.on(DeviceChoice("cpu", precision, 1, "", "ctranslate2"))
        cost = fitted(measure(classifier, options.repeats))
        print(
            f"{precision}: a run {cost.run_ms:.2f} ms = {cost.run_ms / cost.token_ms:.0f} tokens, "
            f"a token {cost.token_ms:.3f} ms, a pair in attention 1 / ({cost.token_ms / cost.pair_ms / width:.1f} x "
            f"{width}) of a token; no run is further from this than {cost.worst:.0%}"
        )


if __name__ == "__main__":
    main()
