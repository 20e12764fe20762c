"""A loop on aiokafka's consumer and producer: polls, our steps, and twice a second all acknowledged and committed."""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.frameworks.job import COMMIT_SECONDS, LINGER_MS, POLL_RECORDS, Job


async def main(job: Job) -> None:
    consumer = AIOKafkaConsumer(
        job.reviews,
        bootstrap_servers=job.brokers,
        group_id=job.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=job.brokers,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=LINGER_MS,
    )
    await producer.start()
    await consumer.start()
    committed_at = time.monotonic()
    sent = []
    while True:
        polled = await consumer.getmany(timeout_ms=1000, max_records=POLL_RECORDS)
        for records in polled.values():
            for record in records:
                for message in job.work(record.partition, record.offset, record.timestamp, record.key, record.value):
                    sent.append(
                        await producer.send(
                            message.topic, message.value, key=message.key, headers=list(message.headers)
                        )
                    )
        if time.monotonic() - committed_at > COMMIT_SECONDS:
            await asyncio.gather(*sent)
            sent.clear()
            await consumer.commit()
            committed_at = time.monotonic()


if __name__ == "__main__":
    asyncio.run(main(Job.from_arguments()))
