"""T5 alone against transformers' ``generate`` in batches of 16.

On a model of T5-small's shape (random weights: its rate depends on the shape alone), 256 tokens in, 32 out, 4 beams, in
runs of the fastest size; and on the bundled one, which answers real reviews as a worker asks it to, and is compared
with ``generate`` in fp32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console

from benchmarks.own_process import measured
from benchmarks.report import median, shown
from benchmarks.workload import SAMPLE, workload
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.models.device import Precision

BATCHES, ALONE = "generate fp32, batches of 16", "generate fp32, one at a time"
FP32, INT8 = "CTranslate2 fp32", "CTranslate2 int8"
GPU_FP32, GPU_BF16 = "generate fp32, batches by tokens", "generate bf16, batches by tokens"
NAIVE = (BATCHES, ALONE)
OURS: dict[str, dict[Precision, str]] = {
    "cpu": {"fp32": FP32, "int8": INT8},
    "cuda": {"fp32": GPU_FP32, "bf16": GPU_BF16},
}
WAYS = (*NAIVE, *(way for ways in OURS.values() for way in ways.values()))
TEXTS = {"cpu": 400, "cuda": 4096}
_CPU_BATCHES = (4, 8, 16)  # texts of 256 tokens: the fastest counts; a worker keeps its runs shorter
_GPU_BATCH = 1024  # texts of 256 tokens: as much as a worker's sweep tries on a GPU
SMALL, BUNDLED = "T5-small's shape, 256 tokens in, 32 out, 4 beams", "bundled, real reviews, greedy"
_IN, _OUT, _BEAMS = 256, 32, 4
_BATCH = 16
_MOST_ALONE = 40
console = Console(stderr=True)


@dataclass(frozen=True)
class SummaryRun:
    """One timed run. ``summaries``: of the bundled model, those of the first texts."""

    texts: int
    seconds: float
    summaries: list[str]

    @property
    def per_second(self) -> float:
        return self.texts / self.seconds


@dataclass(frozen=True)
class SummaryResult:
    """All runs by model and way, of the ways that this device has."""

    runs: dict[str, dict[str, list[SummaryRun]]]

    def rates(self, model: str, way: str) -> list[float]:
        return [run.per_second for run in self.runs[model][way]]

    def over_generate(self, model: str, way: str) -> float:
        """How many times as fast as ``generate`` in fp32 in batches of 16."""
        return median(self.rates(model, way)) / median(self.rates(model, BATCHES))

    def same_text(self, way: str) -> float:
        """The share of the bundled model's summaries that are, word for word, those of ``generate`` in fp32."""
        expected, found = self.runs[BUNDLED][BATCHES][0].summaries, self.runs[BUNDLED][way][0].summaries
        pairs = list(zip(expected, found, strict=False))
        return sum(a == b for a, b in pairs) / len(pairs)


def measure_summaries(path: Path, texts: int, repeats: int, say: Callable[[str], None]) -> SummaryResult:
    """Every model in every way, in turns. ``texts``: of the bundled model; the other has fewer."""
    from stream_app.models.device import find_device

    device = find_device(threads=1)[0]
    naive = NAIVE if device == "cpu" else (BATCHES,)  # one at a time takes a GPU minutes
    offered = (*naive, *OURS[device].values())
    runs: dict[str, dict[str, list[SummaryRun]]] = {model: {way: [] for way in offered} for model in (SMALL, BUNDLED)}
    for repeat in range(repeats):
        for model, ways in runs.items():
            for way, of_way in ways.items():
                say(f"T5: {model}: {way}, {repeat + 1} of {repeats}")
                count = _count(model, way, texts, device)
                arguments = ("--model", model, "--way", way, "--input", path, "--texts", count)
                of_way.append(SummaryRun(**measured("benchmarks.summaries", *arguments)))
    return SummaryResult(runs)


def _count(model: str, way: str, texts: int, device: str) -> int:
    """How many texts: slow ways get fewer, their rate does not depend on it."""
    of_small = max(2 * _BATCH, texts // 8) if device == "cpu" else max(2 * _BATCH, texts // 2)
    count = texts if model == BUNDLED else of_small
    if way not in NAIVE:
        return count
    return max(_BATCH, count // 4) if way == BATCHES else min(max(4, count // 4), _MOST_ALONE)


# ---- in a process of its own


def run_small(way: str, count: int) -> SummaryRun:
    """Random tokens through a T5 of T5-small's shape; exactly 32 tokens are written each time."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    from stream_app.models.device import find_device

    torch.manual_seed(1)
    model: Any = T5ForConditionalGeneration(T5Config(decoder_start_token_id=0)).eval()  # the defaults are T5-small's
    ids = torch.randint(10, 30_000, (count, _IN - 1)).tolist()
    texts = [[*row, 1] for row in ids]
    if way in OURS["cpu"].values():
        return _small_by_ctranslate2(model, texts, way)
    device = find_device(threads=_cores())[0]
    model = model.to(device, torch.bfloat16 if way == GPU_BF16 else torch.float32)

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

    size = {BATCHES: _BATCH, ALONE: 1}.get(way, _GPU_BATCH)
    generate(texts[:1] if device == "cpu" else texts[:size])
    began = time.perf_counter()
    for start in range(0, count, size):
        generate(texts[start : start + size])
    return SummaryRun(count, time.perf_counter() - began, [])


def _small_by_ctranslate2(model: Any, texts: list[list[int]], way: str) -> SummaryRun:
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
    compute = "int8" if way == INT8 else "float32"
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
        """For so many texts in runs of ``size``, each thread as many."""
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


def run_bundled(way: str, path: Path, count: int) -> SummaryRun:
    """Real reviews through the bundled T5; ours through a worker's batcher."""
    from benchmarks.models_alone import prepared_texts
    from stream_app.models.device import DeviceChoice, find_device
    from stream_app.models.loading import silence_libraries
    from stream_app.models.summarizer import load_summarizer
    from stream_app.steps.prepare import needs_summary

    silence_libraries()
    settings = Settings()
    prepared = prepared_texts(workload(path, 4 * count), settings)
    texts = [one.summary_input for one in prepared if needs_summary(one, settings.summary_min_words)][:count]
    for device, ways in OURS.items():
        for precision, one in ways.items():
            if one == way:
                return _by_a_worker(device, precision, texts)
    device, threads, _ = find_device(threads=_cores())
    summarizer = load_summarizer("bundled", DeviceChoice(device, "fp32", threads, ""))
    size = _BATCH if way == BATCHES else 1
    summarizer.run(summarizer.tokenize(texts[:size]))
    summaries = []
    began = time.perf_counter()
    for start in range(0, len(texts), size):
        summaries += summarizer.run(summarizer.tokenize(texts[start : start + size]))
    return SummaryRun(len(texts), time.perf_counter() - began, summaries)


def _by_a_worker(device: str, precision: Precision, texts: Sequence[str]) -> SummaryRun:
    """Through a worker's batcher."""
    from benchmarks.encoders import drain
    from stream_app.models.autotune import measure_budget
    from stream_app.models.device import DeviceChoice, find_device
    from stream_app.models.loading import TunedModel
    from stream_app.models.summarizer import find_summarizer

    find_device(device, 1)
    found = find_summarizer("bundled")
    backend, workers = ("ctranslate2", _cores()) if device == "cpu" else ("torch", found.gpu_workers)
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


def table(result: SummaryResult) -> list[str]:
    """Markdown lines."""
    lines = ["| T5 | way | summaries/s | ÷ batches of 16 | same text as in fp32 |", "|---|---|---|---|---|"]
    for model, ways in result.runs.items():
        for way in ways:
            same = f"{result.same_text(way):.1%}" if model == BUNDLED else "–"
            rates = shown(result.rates(model, way), 2)
            lines.append(f"| {model} | {way} | {rates} | {result.over_generate(model, way):.1f} | {same} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews; default: the sample stream")
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", choices=(SMALL, BUNDLED), default=BUNDLED, help="with --way")
    parser.add_argument("--way", choices=WAYS, help="only this one, in this process; prints it as JSON")
    options = parser.parse_args()
    if options.way:
        small = options.model == SMALL
        run = run_small(options.way, options.texts) if small else run_bundled(options.way, options.input, options.texts)
        print(orjson.dumps(run).decode())
        return
    print("\n".join(table(measure_summaries(options.input, options.texts, options.repeats, console.print))))


if __name__ == "__main__":
    main()
