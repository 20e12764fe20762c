"""What became of every review of one run: an account by input offset, made from the topics and Redis themselves."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from stream_app import contract
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.ports import SummaryStore
from stream_app.records import EnrichedReview, RawRecord, Rejected
from stream_app.settings import Settings

Offsets = dict[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class RunReport:
    """Counts of this run alone; ``lost`` names accepted inputs that are in neither output: it must be empty."""

    published: int
    enriched: int
    dead_lettered: int
    applied: int
    products: int
    alerts: int
    seconds: float
    reviews_per_second: float
    latency_seconds: dict[str, float]
    dead_letter_reasons: dict[str, int] = field(default_factory=dict)
    summary_methods: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def starting_point(settings: Settings) -> Offsets:
    """Where the topics end before the run."""
    topics = Topics(settings.topic_prefix)
    names = (topics.reviews, topics.enriched, topics.alerts, topics.dead_letter)
    return {(name, number): end for name in names for number, end in end_offsets(settings, name).items()}


def account(settings: Settings, since: Offsets, store: SummaryStore, seconds: float) -> RunReport:
    """Read what was added to the topics since then, and compare input with output offset by offset."""
    topics = Topics(settings.topic_prefix)

    def added(topic: str) -> Iterable[RawRecord]:
        return read_to_end(settings, topic, since={number: at for (name, number), at in since.items() if name == topic})

    inputs = {(r.partition, r.offset): r.timestamp_ms for r in added(topics.reviews)}
    enriched: dict[tuple[int, int], EnrichedReview] = {}
    latencies: list[float] = []
    for record in added(topics.enriched):
        review = contract.decode_enriched(record)
        if isinstance(review, Rejected):
            continue
        at = (review.input.partition, review.input.offset)
        if at in inputs and at not in enriched:
            enriched[at] = review
            latencies.append((record.timestamp_ms - inputs[at]) / 1000)
    rejected: dict[tuple[int, int], str] = {}
    for record in added(topics.dead_letter):
        try:
            origin, reason = contract.dead_letter_origin(record)
        except (KeyError, ValueError):  # somebody else's dead letter
            continue
        if origin.topic == topics.reviews and (origin.partition, origin.offset) in inputs:
            rejected[origin.partition, origin.offset] = reason
    lost = [f"{topics.reviews}[{p}]@{o}" for p, o in sorted(inputs.keys() - enriched.keys() - rejected.keys())]
    return RunReport(
        published=len(inputs),
        enriched=len(enriched),
        dead_lettered=len(rejected),
        applied=asyncio.run(_applied(store, enriched.values())),
        products=len({review.product_id for review in enriched.values()}),
        alerts=sum(1 for _ in added(topics.alerts)),
        seconds=round(seconds, 3),
        reviews_per_second=round(len(inputs) / seconds, 1) if seconds else 0.0,
        latency_seconds={"p50": _quantile(latencies, 0.5), "p99": _quantile(latencies, 0.99)},
        dead_letter_reasons=_counts(rejected.values()),
        summary_methods=_counts(review.summary_method for review in enriched.values()),
        lost=lost,
    )


async def _applied(store: SummaryStore, reviews: Iterable[EnrichedReview]) -> int:
    """How many of these the view holds, at their revision or a later one."""
    by_product: dict[str, list[EnrichedReview]] = defaultdict(list)
    for review in reviews:
        by_product[review.product_id].append(review)
    applied = 0
    for product_id, wanted in by_product.items():
        held = await store.revisions(product_id, [review.review_id for review in wanted])
        applied += sum(at is not None and at >= review.revision for at, review in zip(held, wanted, strict=True))
    await store.close()
    return applied


def _quantile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
