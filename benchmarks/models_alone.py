"""The models without a stream: fed perfect batches from memory (the limit), and one review per call (the naive way)."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from transformers import pipeline

from benchmarks.workload import Workload
from stream_app import contract
from stream_app.models.batcher import Batcher
from stream_app.models.classifier import Classifier
from stream_app.models.loading import Loaded
from stream_app.ports import ModelFailed
from stream_app.records import RawRecord, Review
from stream_app.settings import Settings
from stream_app.steps import enrich as step


def prepared_texts(work: Workload, settings: Settings) -> list[step.Prepared]:
    """What enrich would hand to the models."""
    prepared = []
    for number, line in enumerate(work.lines):
        record = RawRecord("bench", 0, number, time.time_ns() // 1_000_000, line.key, line.value)
        review = contract.decode_review(
            record,
            now_ms=record.timestamp_ms,
            max_future_ms=settings.max_future_seconds * 1000,
            max_text_characters=settings.max_text_characters,
        )
        assert isinstance(review, Review), review
        ready = step.prepare(review, None)
        assert isinstance(ready, step.Prepared), ready
        prepared.append(ready)
    return prepared


def from_memory(texts: Sequence[step.Prepared], models: Loaded, settings: Settings, with_summaries: bool) -> float:
    """Reviews per second through the same batchers with everything waiting from the start: nothing but the models."""
    left = threading.Semaphore(0)
    failures: list[ModelFailed] = []

    def done(results: Sequence[tuple[int, object]]) -> None:
        for _, result in results:
            if isinstance(result, ModelFailed):
                failures.append(result)
            left.release()

    def fatal(error: BaseException) -> None:
        raise error

    work = [(models.sentiment, list(enumerate(text.model_text for text in texts)))]
    if with_summaries and models.summary is not None:
        long = [text for text in texts if step.needs_summary(text, settings.summary_min_words)]
        work.append((models.summary, list(enumerate(text.summary_input for text in long))))
    batchers = []
    began = time.perf_counter()
    for sized, items in work:
        assert sized is not None
        batcher: Batcher[object] = Batcher(
            sized.model,
            on_done=done,
            fatal=fatal,
            run_tokens=sized.run_tokens,
            batch_tokens=sized.batch_tokens,
            max_waiting_tokens=10**9,
            name="bench",
            workers=sized.workers,
        )
        batcher.start()
        batcher.submit(items)
        batchers.append(batcher)
    for _ in range(sum(len(items) for _, items in work)):
        left.acquire()
    seconds = time.perf_counter() - began
    for batcher in batchers:
        batcher.stop()
    assert not failures, failures[:3]
    return len(texts) / seconds


def one_at_a_time(texts: Sequence[step.Prepared], models: Loaded, settings: Settings, with_summaries: bool) -> float:
    """Reviews per second when each review is a call of its own, as first programs do it.

    BERT through ``transformers.pipeline``, T5 through ``generate``; the same weights and precision as ours.
    """
    classifier = models.sentiment.model
    assert isinstance(classifier, Classifier)
    classify = pipeline(
        "text-classification", model=classifier._model, tokenizer=classifier._tokenizer, truncation=True, top_k=None
    )
    began = time.perf_counter()
    for text in texts:
        classify(text.model_text)
        if with_summaries and models.summary is not None and step.needs_summary(text, settings.summary_min_words):
            summarizer = models.summary.model
            summarizer.run(summarizer.tokenize([text.summary_input]))
    return len(texts) / (time.perf_counter() - began)
