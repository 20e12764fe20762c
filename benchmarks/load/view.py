"""A view in Redis as a shop has it, and reviews that are applied to it."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from urllib.parse import quote

import orjson

from benchmarks.load.open_loop import Spread, spread
from benchmarks.load.workload import SAMPLE
from stream_app.commands.review_files import read_lines
from stream_app.records import EnrichedReview, ModelName, Opinion, Position, ProductText, Sentiment, Span
from stream_app.settings import Settings
from stream_app.steps.aspects import load_aspects
from stream_app.steps.aspects.keywords import aspects_by_keyword
from stream_app.steps.log_identity import LogIdentity
from stream_app.steps.opinions import MAX_OPINIONS
from stream_app.steps.sentences import sentences
from stream_app.store.generations import Generations
from stream_app.store.summaries import RedisSummaryStore

GENERATION = 1
_DAYS = 30
_DAY_MS = 86_400_000
_APPLIED_AT_ONCE = 500


async def fill_and_read(
    settings: Settings, shares: Sequence[float], reviews: int, asked: Sequence[int], seed: int
) -> tuple[float, Spread]:
    """Fill the view; then (hours that a look-up sums on average, ms of single reads through the store)."""
    generations = Generations.from_settings(settings)
    await generations.record_origin(settings.generation, LogIdentity("benchmark", "reviews.enriched"))
    await generations.close()
    store = RedisSummaryStore.from_settings(settings)
    now_ms = time.time_ns() // 1_000_000
    made = list(made_reviews(shares, reviews, now_ms, seed))
    for start in range(0, reviews, _APPLIED_AT_ONCE):
        await store.apply(made[start : start + _APPLIED_AT_ONCE], now_ms)
    newest: dict[str, EnrichedReview] = {review.product_id: review for review in made}
    for product_id, review in newest.items():
        text = ProductText(
            headline=(review.text or "")[:60],
            text=" ".join([review.text or ""] * 2)[:400],
            method="abstractive",
            evidence=(review.review_id,),
            model=ModelName("bench", "0"),
            made_at_ms=now_ms,
        )
        await store.write_text(product_id, text, {review.review_id: review.revision})
    hours: dict[str, set[int]] = {}
    for review in made:
        hours.setdefault(review.product_id, set()).add(review.created_at_ms // 3_600_000)
    ids = [product_named(number) for number in asked]
    seconds = []
    for product_id in ids[: min(2000, len(ids))]:
        began = time.perf_counter()
        await store.read([product_id], now_ms)
        seconds.append(time.perf_counter() - began)
    await store.close()
    hours_read = sum(len(hours.get(product_id, ())) for product_id in ids) / len(ids)
    return hours_read, spread(1000 * one for one in seconds)


def made_reviews(shares: Sequence[float], count: int, now_ms: int, seed: int) -> Iterator[EnrichedReview]:
    """Enriched reviews with the sample's texts; every product has one at least, where ``count`` allows."""
    rows = [orjson.loads(line.value) for line in read_lines(SAMPLE) if line.key is not None]
    texts = [row["text"] for row in rows if row.get("text", "").strip()]
    draw = random.Random(seed)
    numbers = [*range(len(shares)), *draw.choices(range(len(shares)), shares, k=max(0, count - len(shares)))][:count]
    for at, number in enumerate(numbers):
        text = texts[at % len(texts)]
        yield _review(number, f"r{at}", text, now_ms - draw.randrange(_DAYS * _DAY_MS), draw.random())


def _review(product: int, review_id: str, text: str, created_at_ms: int, p_negative: float) -> EnrichedReview:
    rest = round((1 - p_negative) / 2, 4)
    sentiment = Sentiment("negative" if p_negative > 0.4 else "positive", 0.9, (round(p_negative, 4), rest, rest))
    return EnrichedReview(
        kind="created",
        product_id=product_named(product),
        review_id=review_id,
        revision=0,
        enrichment_version=1,
        created_at_ms=created_at_ms,
        enriched_at_ms=created_at_ms,
        input=Position("reviews", 0, 0),
        rating=1 + round(4 * (1 - p_negative)),
        text=text,
        sentiment=sentiment,
        key_sentence=Span(0, min(len(text), 120)),
        opinions=tuple(Opinion(span, sentiment.label, 0.9, aspects) for span, aspects in _sentences(text)),
    )


@cache  # the sample's texts come again and again
def _sentences(text: str) -> list[tuple[Span, tuple[str, ...]]]:
    """Sentences as `enrich` publishes them, with the aspects that their keywords name."""
    spans = sentences(text)[:MAX_OPINIONS]
    return [(span, aspects_by_keyword(text[span.start : span.end], "en", load_aspects())) for span in spans]


def product_named(number: int) -> str:
    return quote(f"product-{number:05}", safe="")


@contextmanager
def applying_reviews(settings: Settings, asked: Sequence[int], rate: float = 50) -> Iterator[None]:
    """Apply reviews at ``rate`` a second during the block, to products as often as they are asked for."""
    stop = threading.Event()

    async def write() -> None:
        store = RedisSummaryStore.from_settings(settings)
        began, count = time.monotonic(), 0
        while not stop.is_set():
            now_ms = time.time_ns() // 1_000_000
            await store.apply([_review(asked[count % len(asked)], f"w{count}", "Broke at once.", now_ms, 0.9)], now_ms)
            count += 1
            await asyncio.sleep(max(0.0, began + count / rate - time.monotonic()))
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(write()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
