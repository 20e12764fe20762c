"""One timed run of a classifier in one variant, in a process of its own.

python -m benchmarks.probes.encoders --way "packed, torch bf16" --input reviews.jsonl     prints it as JSON
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness.own_process import measured
from benchmarks.load.workload import SAMPLE, workload
from benchmarks.probes.batcher import drain
from benchmarks.probes.peak import flops_of, peak_flops
from benchmarks.probes.texts import prepared_texts
from stream_app.settings import Settings

NAIVE, ARRIVAL, SORTED = "one at a time, fp32", "32 in arrival order, fp32", "sorted and padded, fp32"
BF16 = "packed, torch bf16"
OURS = {
    "packed, torch fp32": ("torch", "fp32"),
    BF16: ("torch", "bf16"),
    "CTranslate2 fp32": ("ctranslate2", "fp32"),
    "CTranslate2 int8": ("ctranslate2", "int8"),
}
BUNDLED, BASE = "bundled", "BERT-base's shape, 128 tokens"
_ARRIVAL_BATCH = 32
_NAIVE_SHARE = 4  # the naive variants are slow, and their rate does not depend on how many texts there are
_MOST_NAIVE = 400
_GPU_FP32_SHARE = 8  # likewise
_BASE_TOKENS = 128


@dataclass(frozen=True)
class EncoderRun:
    """One timed run. ``peak_flops``: of the same precision and as many workers, measured right after it."""

    variant: str
    reviews: int
    seconds: float
    tokens: int
    computed_tokens: int
    flops: float
    peak_flops: float
    labels: dict[int, int]

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def share_of_peak(self) -> float:
        """Arithmetic on tokens that are not padding, as a share of what the device can do."""
        return self.flops / self.seconds / self.peak_flops

    @property
    def padding_share(self) -> float:
        return 1 - self.tokens / self.computed_tokens


def in_own_process(variant: str, path: Path, reviews: int, model: str) -> EncoderRun:
    answer = measured(
        "benchmarks.probes.encoders", "--way", variant, "--input", path, "--reviews", reviews, "--model", model
    )
    return EncoderRun(**answer | {"labels": {int(index): label for index, label in answer["labels"].items()}})


def run_variant(variant: str, texts: Sequence[str], model: str = BUNDLED) -> EncoderRun:
    """Time one variant on these texts."""
    from stream_app.models.device import cores, find_device
    from stream_app.models.loading import silence_libraries

    silence_libraries()
    found = _found(model)
    where = find_device(threads=1)[0]
    if variant in (NAIVE, ARRIVAL):
        share = max(_NAIVE_SHARE, len(texts) // _MOST_NAIVE)
        texts = texts[::share]
        find_device(threads=cores())
        labels, seconds = (_one_at_a_time if variant == NAIVE else _in_arrival_order)(found, texts, where)
        indices = range(0, len(texts) * share, share)
        precision, workers = "fp32", cores()
    else:
        share = _GPU_FP32_SHARE if variant == SORTED and where == "cuda" else 1
        texts = texts[::share]
        backend, precision = OURS.get(variant, ("torch", "fp32"))
        workers = cores() if where == "cpu" else found.gpu_workers
        labels, seconds = _through_the_batcher(
            found, texts, where, backend, precision, workers, padded=variant == SORTED
        )
        indices = range(0, len(texts) * share, share)
    lengths = [one.length for one in found.text_tokenizer()(texts)]
    return EncoderRun(
        variant,
        len(texts),
        seconds,
        sum(lengths),
        _computed(variant, lengths),
        flops_of(found.model.config, lengths),
        peak_flops(found.model.config, where, precision, workers),
        dict(zip(indices, labels, strict=True)),
    )


def _found(model: str) -> Any:
    """The classifier; one of BERT-base's shape has random weights (its rate depends on the shape alone)."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from stream_app.models.classifier import find_classifier
    from stream_app.records import LABELS, ModelName

    found = find_classifier("bundled")
    if model == BUNDLED:
        return found
    torch.manual_seed(1)
    names = dict(enumerate(LABELS))
    config = BertConfig(num_labels=len(names), id2label=names, label2id={name: i for i, name in names.items()})
    found.tokenizer.model_max_length = _BASE_TOKENS
    base = BertForSequenceClassification(config).eval()
    return replace(found, model=base, name=ModelName("bert-base-shape", "random-1"), sentence_heads=None)


def _one_at_a_time(found: Any, texts: Sequence[str], device: str) -> tuple[list[int], float]:
    """As first programs do it: transformers.pipeline, a call per review."""
    from transformers import pipeline

    from stream_app.models import labels

    classify = pipeline(
        "text-classification", model=found.model.to(device), tokenizer=found.tokenizer, truncation=True, device=device
    )
    names = {
        name: place
        for place, name in zip(
            labels.columns(found.model.config.id2label), found.model.config.id2label.values(), strict=True
        )
    }
    for text in texts[:10]:
        classify(text)
    began = time.perf_counter()
    answers = [classify(text)[0]["label"] for text in texts]
    return [int(names[answer]) for answer in answers], time.perf_counter() - began


def _in_arrival_order(found: Any, texts: Sequence[str], device: str) -> tuple[list[int], float]:
    """Plain micro-batching: 32 as they come, padded to the longest."""
    import torch

    model = found.model.to(device)

    def run(batch: Sequence[str]) -> list[int]:
        given = found.tokenizer(list(batch), padding=True, truncation=True, return_tensors="pt").to(device)
        with torch.inference_mode():
            return model(**given).logits.argmax(-1).tolist()

    run(texts[:4])
    began = time.perf_counter()
    labels: list[int] = []
    for start in range(0, len(texts), _ARRIVAL_BATCH):
        labels += run(texts[start : start + _ARRIVAL_BATCH])
    return labels, time.perf_counter() - began


def _through_the_batcher(
    found: Any, texts: Sequence[str], device: str, backend: Any, precision: Any, workers: int, *, padded: bool
) -> tuple[list[int], float]:
    """What a worker does with a backlog, tokenising included; ``padded``: with transformers' forward."""
    from stream_app.models.autotune import measure_budget
    from stream_app.models.classifier import Classifier
    from stream_app.models.device import DeviceChoice
    from stream_app.models.encoders import PaddedEncoder
    from stream_app.models.tuned import TunedModel
    from stream_app.steps.batch_plan import PaddedRows

    choice = DeviceChoice(device, precision, 1, "", backend, workers)
    classifier: Classifier = found.on(choice)
    budget = measure_budget(classifier, choice).for_low_latency(device, packs=classifier.plan.packs)
    if padded:  # with the runs of the packed one, and as much to sort
        classifier.encoder = PaddedEncoder(found.model.to(device), found.tokenizer.pad_token_id, choice)
        classifier.plan = PaddedRows()
    tuned = TunedModel(classifier, budget.micro_batch_tokens, budget.batch_tokens, workers, device=device)
    sizes = tuned.micro_batch_tokens, tuned.batch_tokens, tuned.workers, tuned.tokenizers
    drain(classifier, texts[: max(8, len(texts) // 8)], *sizes)  # warm-up
    scores, seconds = drain(classifier, texts, *sizes)
    labels = [(one.negative, one.neutral, one.positive) for one in scores]
    return [row.index(max(row)) for row in labels], seconds


def _computed(variant: str, lengths: Sequence[int]) -> int:
    """Tokens computed, padding included; of the batcher's variants from its own metric."""
    if variant == NAIVE:
        return sum(lengths)
    if variant == ARRIVAL:
        starts = range(0, len(lengths), _ARRIVAL_BATCH)
        return sum(max(batch) * len(batch) for batch in (lengths[i : i + _ARRIVAL_BATCH] for i in starts))
    from prometheus_client import REGISTRY

    computed, padding = (
        REGISTRY.get_sample_value(f"stream_app_model_{name}_total", {"model": "bench"}) or 0.0
        for name in ("tokens", "padding_tokens")
    )
    return round(sum(lengths) / (1 - padding / computed))


def model_texts(path: Path, count: int, model: str = BUNDLED) -> list[str]:
    """What the classifier is given of the mix: cleaned and masked, titles included. For BERT-base's shape as many of
    them in a row as fill its 128 tokens, cut there.
    """
    each_once = workload(path, count, repeat=False)  # as workload() repeats them, they need not be prepared again
    texts = [one.model_text for one in prepared_texts(each_once, Settings())]
    if model == BUNDLED:
        return list(islice(cycle(texts), count))
    rows = [" ".join(texts[start : start + 12]) for start in range(max(1, len(texts) - 12))]
    core = _found(BASE).tokenizer.backend_tokenizer
    core.enable_truncation(_BASE_TOKENS)
    ends = [encoding.offsets[-2][1] for encoding in core.encode_batch(rows)]  # the last is the separator's
    return list(islice(cycle(row[:end] for row, end in zip(rows, ends, strict=True)), count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=1400)
    parser.add_argument("--model", choices=(BUNDLED, BASE), default=BUNDLED)
    parser.add_argument("--way", required=True, help="the variant")
    options = parser.parse_args()
    run = run_variant(options.way, model_texts(options.input, options.reviews, options.model), options.model)
    print(orjson.dumps(run, option=orjson.OPT_NON_STR_KEYS).decode())


if __name__ == "__main__":
    main()
