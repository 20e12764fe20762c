"""Finds at a start that Redis came back with older data: with less than the log's consumer group acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from stream_app import contract, telemetry
from stream_app.kafka.copies import copied_offset
from stream_app.kafka.groups import committed_offsets
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.ports import ViewLost
from stream_app.records import EnrichedReview
from stream_app.retry import Retry
from stream_app.role_table import MAKES_THE_VIEW
from stream_app.settings import KafkaSettings, Settings
from stream_app.store.summaries import RedisSummaryStore

_LOOKED_AT = 1_000
"""Offsets of a partition before its committed one. The first events may be in an older view all the same, applied by a
poll that had not noted them yet; the last ones are not."""


async def refuse_older_view(settings: Settings, redis: Retry, brokers: Retry) -> None:
    """Raise ViewLost where the view of ``settings.generation`` lacks events that `summarize` acknowledged. Steps:

    1. what the view notes as applied (``note_progress``) is compared with the committed offsets
    2. where more is committed, the last events in between are looked up in the view. It may hold them all: offsets
       between may be none of events (transaction markers, rejected records), or copies that `erase` made
    3. the committed offsets are noted, so that the next start has nothing to look up

    A view of an earlier version, which noted nothing, is believed.
    """
    store = RedisSummaryStore.from_settings(settings)
    try:
        applied = await redis(store.progress)
        committed = await brokers(lambda: asyncio.to_thread(committed_offsets, settings, MAKES_THE_VIEW))
        ahead = {number: at for number, at in committed.items() if applied.get(number, 0) < at}
        if applied and ahead:
            events = await brokers(lambda: asyncio.to_thread(_events, settings, applied, ahead))
            for product_id, states in events.items():
                held = await redis(lambda: store.states(product_id, list(states)))  # noqa: B023
                pairs = zip(held, states.values(), strict=True)
                if any(one is None or one < state for one, state in pairs):  # guarantee: older-view-is-refused
                    telemetry.view_was_lost()
                    await redis(store.disown)
                    raise ViewLost
        everywhere = await brokers(lambda: asyncio.to_thread(end_offsets, settings, _topic(settings)))
        reached = {number: committed.get(number, 0) for number in everywhere}
        # what was both noted and committed stays noted, unless the server is exchanged right now
        settled = {number: min(at, committed.get(number, 0)) for number, at in applied.items()}
        await redis(lambda: store.note_progress(reached, settled))
    finally:
        await store.close()


def _events(
    settings: KafkaSettings, applied: Mapping[int, int], ahead: Mapping[int, int]
) -> dict[str, dict[str, tuple[int, int, int]]]:
    """By product and review the newest state, (revision, deleted, enrichment_version), among the last events between
    ``applied`` and ``ahead``, without copies of events before.
    """
    topic = _topic(settings)
    since = end_offsets(settings, topic)
    since |= {number: max(applied.get(number, 0), at - _LOOKED_AT) for number, at in ahead.items()}
    found: dict[str, dict[str, tuple[int, int, int]]] = {}
    left = set(ahead)
    for record in read_to_end(settings, topic, since):
        committed = ahead.get(record.partition, 0)  # others grow while this one reads
        if record.offset + 1 >= committed:
            left.discard(record.partition)
        original = copied_offset(record)  # `erase` copies what was rejected as well, which no view holds
        # guarantee: copy-makes-no-view-older
        was_passed = original is not None and original < applied.get(record.partition, 0)
        if record.offset < committed and not was_passed:
            review = contract.decode_enriched(record)
            if isinstance(review, EnrichedReview):
                state = (review.revision, int(review.kind == "deleted"), review.enrichment_version)
                of_product = found.setdefault(review.product_id, {})
                of_product[review.review_id] = max(state, of_product.get(review.review_id, state))
        if not left:
            break
    return found


def _topic(settings: KafkaSettings) -> str:
    return Topics(settings.topic_prefix).enriched
