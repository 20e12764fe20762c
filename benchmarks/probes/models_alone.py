"""Both models without a stream: fed from memory as a worker feeds them (the limit), or one review per call (naive)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness.own_process import measured
from benchmarks.load.workload import SAMPLE, workload
from benchmarks.probes.batcher import drain
from benchmarks.probes.texts import prepared_texts
from stream_app.models.tuned import TunedModel
from stream_app.ports import TextModel
from stream_app.records import Scores
from stream_app.settings import Settings
from stream_app.steps import prepare
from stream_app.steps.assemble import sentiment_of
from stream_app.steps.summary_input import summary_input
from stream_app.training.evaluate import answers

FROM_MEMORY, ONE_AT_A_TIME = "from memory", "one at a time"


def models_alone(variant: str, path: Path, reviews: int, *, with_summaries: bool) -> float:
    """Reviews per second, in a process of its own."""
    summaries = ["--summaries"] if with_summaries else []
    rate: float = measured(
        "benchmarks.probes.models_alone", "--way", variant, "--input", path, "--reviews", reviews, *summaries
    )
    return rate


def _from_memory(texts: Sequence[prepare.Prepared], settings: Settings) -> float:
    """Through the worker's own batchers, with everything waiting from the start: nothing but the models."""
    from stream_app.models.loading import load_models

    models = load_models(settings)
    jobs: list[tuple[TunedModel[Any], list[str]]] = [(models.sentiment, [text.model_text for text in texts])]
    if models.summary is not None:
        long = [text for text in texts if prepare.needs_summary(text, settings.summary_min_words)]
        jobs.append((models.summary, inputs_of_t5(models.summary, models.sentiment.model, long)))
    with ThreadPoolExecutor(len(jobs)) as pool:

        def run(share: int) -> float:
            began = time.perf_counter()
            work = [(tuned, given[::share]) for tuned, given in jobs]
            list(pool.map(lambda job: drain(job[0].model, job[1], *sizes_of(job[0])), work))
            return time.perf_counter() - began

        run(10)  # warm-up
        return len(texts) / run(1)


def inputs_of_t5(t5: TunedModel[str], classifier: TextModel[Scores], texts: Sequence[prepare.Prepared]) -> list[str]:
    """What a worker gives T5 of these reviews; not measured."""
    judged = answers(classifier, [text.model_text for text in texts])
    return [
        summary_input(
            text.text,
            sentiment_of(scores).label,
            scores.sentences,
            text.text_start,
            reads_label=t5.reads_label,
            truncated=scores.truncated,
        )
        for text, scores in zip(texts, judged, strict=True)
    ]


def sizes_of(tuned: TunedModel[Any]) -> tuple[int, int, int, int]:
    """What ``drain`` needs of it."""
    return tuned.micro_batch_tokens, tuned.batch_tokens, tuned.workers, tuned.tokenizers


def _one_at_a_time(texts: Sequence[prepare.Prepared], settings: Settings) -> float:
    """As first programs do it: ``transformers.pipeline`` and ``generate`` in fp32, a call per review, on all cores."""
    from transformers import pipeline

    from stream_app.models.classifier import find_classifier
    from stream_app.models.device import DeviceChoice, cores, find_device
    from stream_app.models.loading import silence_libraries
    from stream_app.models.summarizer import load_summarizer

    silence_libraries()
    device, _, _ = find_device(threads=cores())
    found = find_classifier("bundled")
    classify = pipeline("text-classification", model=found.model.to(device), tokenizer=found.tokenizer, truncation=True)
    summarizer = load_summarizer("bundled", DeviceChoice(device, "fp32", cores(), ""))
    began = time.perf_counter()
    for text in texts:
        classify(text.model_text)
        if settings.summaries != "off" and prepare.needs_summary(text, settings.summary_min_words):
            summarizer.run(summarizer.tokenize([text.text]))
    return len(texts) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=(FROM_MEMORY, ONE_AT_A_TIME), default=FROM_MEMORY)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews; default: the sample stream")
    parser.add_argument("--reviews", type=int, default=1000)
    parser.add_argument("--summaries", action="store_true", help="T5 too, for all reviews that are long enough")
    options = parser.parse_args()
    settings = Settings(summaries="always" if options.summaries else "off")
    texts = prepared_texts(workload(options.input, options.reviews), settings)
    measure = _from_memory if options.way == FROM_MEMORY else _one_at_a_time
    print(orjson.dumps(measure(texts, settings)).decode())


if __name__ == "__main__":
    main()
