"""One timed run of T5 in one variant, in a process of its own.

python -m benchmarks.probes.summaries --way "CTranslate2 int8" --input reviews.jsonl     prints it as JSON
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.load.workload import SAMPLE, workload
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.models.device import Precision
from benchmarks.probes.batcher import drain
from benchmarks.probes.texts import prepared_texts

BATCHES, ALONE = "generate fp32, batches of 16", "generate fp32, one at a time"
FP32, INT8 = "CTranslate2 fp32", "CTranslate2 int8"
GPU_FP32, GPU_BF16 = "generate fp32, batches by tokens", "generate bf16, batches by tokens"
NAIVE = (BATCHES, ALONE)
OURS: dict[str, dict[Precision, str]] = {
    "cpu": {"fp32": FP32, "int8": INT8},
    "cuda": {"fp32": GPU_FP32, "bf16": GPU_BF16},
}
VARIANTS = (*NAIVE, *(variant for variants in OURS.values() for variant in variants.values()))
_CPU_BATCHES = (4, 8, 16)  # texts of 256 tokens: the fastest counts; a worker keeps its runs shorter
_GPU_BATCH = 1024  # texts of 256 tokens: as much as a worker's autotune tries on a GPU
SMALL, BUNDLED = "T5-small's shape, 256 tokens in, 32 out, 4 beams", "bundled, real reviews, greedy"
_IN, _OUT, _BEAMS = 256, 32, 4
BATCH = 16


@dataclass(frozen=True)
class SummaryRun:
    """One timed run. ``summaries``: of the bundled model, those of the first texts."""

    texts: int
    seconds: float
    summaries: list[str]

    @property
    def per_second(self) -> float:
        return self.texts / self.seconds


def run_small(variant: str, count: int) -> SummaryRun:
    """Random tokens through a T5 of T5-small's shape; exactly 32 tokens are written each time."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    from stream_app.models.device import find_device

    torch.manual_seed(1)
    model: Any = T5ForConditionalGeneration(T5Config(decoder_start_token_id=0)).eval()  # the defaults are T5-small's
    ids = torch.randint(10, 30_000, (count, _IN - 1)).tolist()
    texts = [[*row, 1] for row in ids]
    if variant in OURS["cpu"].values():
        return _small_by_ctranslate2(model, texts, variant)
    device = find_device(threads=_cores())[0]
    model = model.to(device, torch.bfloat16 if variant == GPU_BF16 else torch.float32)

    def generate(batch: Sequence[list[int]]) -> None:
        given = torch.tensor(batch, device=device)
        with torch.inference_mode():
            model.generate(
                input_ids=given,
                attention_mask=torch.ones_like(given),
                num_beams=_BEAMS,
                min_new_tokens=_OUT,
                max_new_tokens=_OUT,
                do_sample=False,
            ).tolist()

    size = {BATCHES: BATCH, ALONE: 1}.get(variant, _GPU_BATCH)
    generate(texts[:1] if device == "cpu" else texts[:size])
    began = time.perf_counter()
    for start in range(0, count, size):
        generate(texts[start : start + size])
    return SummaryRun(count, time.perf_counter() - began, [])


def _small_by_ctranslate2(model: Any, texts: list[list[int]], variant: str) -> SummaryRun:
    import ctranslate2
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from stream_app.models.convert import converted
    from stream_app.records import ModelName

    names = {"<pad>": 0, "</s>": 1, "<unk>": 2} | {f"t{number}": number for number in range(3, model.config.vocab_size)}
    words = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(names, unk_token="<unk>")),
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )
    folder = converted(lambda: model, words, ModelName("t5-small-shape", "random-1"))
    compute = "int8" if variant == INT8 else "float32"
    translator = ctranslate2.Translator(
        str(folder), device="cpu", compute_type=compute, inter_threads=_cores(), intra_threads=1
    )

    def translate(batch: Sequence[list[int]]) -> None:
        translator.translate_batch(
            [words.convert_ids_to_tokens(ids) for ids in batch],
            beam_size=_BEAMS,
            min_decoding_length=_OUT,
            max_decoding_length=_OUT,
        )

    def seconds(size: int, count: int) -> float:
        """The seconds for ``count`` texts in micro-batches of ``size``, shared evenly by the threads."""
        of_all = (texts * (count // len(texts) + 1))[:count]
        began = time.perf_counter()
        with ThreadPoolExecutor(_cores()) as pool:
            list(pool.map(translate, [of_all[start : start + size] for start in range(0, count, size)]))
        return time.perf_counter() - began

    translate(texts[:1])
    size = min(_CPU_BATCHES, key=lambda size: seconds(size, _cores() * size) / size)
    together = _cores() * size
    count = together * max(1, round(len(texts) / together))
    return SummaryRun(count, seconds(size, count), [])


def run_bundled(variant: str, path: Path, count: int) -> SummaryRun:
    """Real reviews through the bundled T5; ours through a worker's batcher."""
    from stream_app.models.device import DeviceChoice, find_device
    from stream_app.models.loading import silence_libraries
    from stream_app.models.summarizer import load_summarizer
    from stream_app.steps.prepare import needs_summary

    silence_libraries()
    settings = Settings()
    prepared = prepared_texts(workload(path, 4 * count), settings)
    texts = [one.text for one in prepared if needs_summary(one, settings.summary_min_words)][:count]
    for device, variants in OURS.items():
        for precision, one in variants.items():
            if one == variant:
                return _by_a_worker(device, precision, texts)
    device, threads, _ = find_device(threads=_cores())
    summarizer = load_summarizer("bundled", DeviceChoice(device, "fp32", threads, ""))
    size = BATCH if variant == BATCHES else 1
    summarizer.run(summarizer.tokenize(texts[:size]))
    summaries = []
    began = time.perf_counter()
    for start in range(0, len(texts), size):
        summaries += summarizer.run(summarizer.tokenize(texts[start : start + size]))
    return SummaryRun(len(texts), time.perf_counter() - began, summaries)


def _by_a_worker(device: str, precision: Precision, texts: Sequence[str]) -> SummaryRun:
    """Through a worker's batcher."""
    from stream_app.models.autotune import measure_budget
    from stream_app.models.device import Backend, DeviceChoice, find_device
    from stream_app.models.summarizer import find_summarizer
    from stream_app.models.tuned import TunedModel

    find_device(device, 1)
    found = find_summarizer("bundled")
    backend: Backend = "ctranslate2" if device == "cpu" else "torch"
    workers = _cores() if device == "cpu" else found.gpu_workers
    choice = DeviceChoice(device, precision, 1, "", backend, workers)
    summarizer = found.on(choice)
    budget = measure_budget(summarizer, choice)
    tuned = TunedModel(summarizer, budget.micro_batch_tokens, budget.batch_tokens, workers, device=device)
    sizes = tuned.micro_batch_tokens, tuned.batch_tokens, tuned.workers, tuned.tokenizers
    drain(summarizer, texts[: max(8, len(texts) // 8)], *sizes)  # warm-up
    summaries, seconds = drain(summarizer, texts, *sizes)
    return SummaryRun(len(texts), seconds, summaries)


def _cores() -> int:
    from stream_app.models.device import cores

    return cores()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews; default: the sample stream")
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--model", choices=(SMALL, BUNDLED), default=BUNDLED)
    parser.add_argument("--way", choices=VARIANTS, required=True, help="the variant")
    options = parser.parse_args()
    small = options.model == SMALL
    run = run_small(options.way, options.texts) if small else run_bundled(options.way, options.input, options.texts)
    print(orjson.dumps(run).decode())


if __name__ == "__main__":
    main()
