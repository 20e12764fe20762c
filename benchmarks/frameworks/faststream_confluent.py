"""A FastStream application on confluent-kafka: batches in, our steps, each message published, then acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from faststream.confluent.annotations import KafkaMessage

from benchmarks.frameworks.job import LINGER_MS, POLL_RECORDS, Job

job = Job.from_arguments()
broker = KafkaBroker(
    job.brokers,
    acks="all",
    apply_types=True,
    logger=None,
    config={
        "linger.ms": LINGER_MS,
        "compression.type": "lz4",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
    },
)


async def untouched(message: Any) -> Any:
    """Instead of its decoder, which would parse the JSON a second time."""
    return message.body


@broker.subscriber(
    job.reviews,
    group_id=job.group,
    batch=True,
    max_records=POLL_RECORDS,
    auto_offset_reset="earliest",
    ack_policy=AckPolicy.ACK,
    decoder=untouched,
)
async def enrich(values: Any, batch: KafkaMessage) -> None:
    sent = []
    for record in batch.raw_message:
        _, timestamp_ms = record.timestamp()
        for message in job.work(record.partition(), record.offset(), timestamp_ms, record.key(), record.value()):
            sent.append(
                await broker.publish(
                    message.value,
                    topic=message.topic,
                    key=message.key,
                    headers={name: value.decode() for name, value in message.headers},
                    no_confirm=True,
                )
            )
    await asyncio.gather(*sent)


if __name__ == "__main__":
    asyncio.run(FastStream(broker, logger=None).run())
