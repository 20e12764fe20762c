"""Raises the alerts about products that the view before left unfinished when its workers ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice

from stream_app import contract
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.records import EnrichedReview, Message
from stream_app.retry import Retry
from stream_app.roles.run import now_ms
from stream_app.roles.summarize import Outbox, outbox_message
from stream_app.settings import Settings
from stream_app.steps.raised_alerts import RaisedEpisodes
from stream_app.store.replay import ReplayStore

_RECORDS_AT_ONCE = 500


async def raise_unfinished(
    settings: Settings, store: ReplayStore, raised_episodes: RaisedEpisodes, since: Mapping[int, int], redis: Retry
) -> int:
    """Judge the products of the events from ``since`` (what the old group committed) on; count the alerts.

    Before the switch the old view alone raised alerts about products, and each was published before its event was
    committed. So all that may lack one are the products of the other events. May be repeated. Raises Unavailable.
    """
    topics = Topics(settings.topic_prefix)
    records = read_to_end(settings, topics.enriched, since)
    raised = 0
    while page := await asyncio.to_thread(lambda: list(islice(records, _RECORDS_AT_ONCE))):
        decoded = [contract.decode_enriched(record) for record in page]
        reviews = [review for review in decoded if isinstance(review, EnrichedReview)]

        async def judge(reviews: Sequence[EnrichedReview] = reviews) -> int:
            judged = await store.judge_rest(
                reviews,
                raised_episodes,
                now_ms(),
                false_alarms=settings.spike_false_alarms_of_a_rule,
                max_age_ms=settings.alert_max_age_ms,
                encode=contract.encode_alert,
            )
            return sum(len(one.raised) for one in judged)

        raised += await redis(judge)
        product_ids = sorted({review.product_id for review in reviews})
        for product_id, outbox in (await redis(lambda ids=product_ids: store.outboxes(ids))).items():  # type: ignore[misc]
            await asyncio.to_thread(_publish, settings, topics, product_id, outbox)
            alert_ids = [alert_id for alert_id, _ in outbox]
            await redis(lambda product_id=product_id, ids=alert_ids: store.clear_outbox(product_id, ids))  # type: ignore[misc]
    return raised


def _publish(settings: Settings, topics: Topics, product_id: str, outbox: Outbox) -> None:
    """Return once the broker has them."""
    messages: list[Message] = [outbox_message(topics.alerts, product_id, value) for _, value in outbox]
    with BlockingProducer(settings) as producer:
        for message in messages:
            producer.publish(message)
