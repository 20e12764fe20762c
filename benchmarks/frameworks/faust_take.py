"""A Faust agent that takes batches, does our steps and sends with Faust's own producer."""

from __future__ import annotations

import asyncio

import faust

from benchmarks.frameworks.job import COMMIT_SECONDS, LINGER_MS, POLL_RECORDS, Job

job = Job.from_arguments()
app = faust.App(
    job.group,
    broker=f"kafka://{job.brokers}",
    broker_max_poll_records=POLL_RECORDS,
    broker_commit_interval=COMMIT_SECONDS,
    producer_acks=-1,
    producer_compression_type="lz4",
    producer_linger=LINGER_MS / 1000,
    topic_disable_leader=True,
    web_enabled=False,
)


def raw(name: str) -> faust.TopicT:
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


outputs = {name: raw(name) for name in (job.enriched, job.alerts)}


@app.agent(raw(job.reviews))
async def enrich(stream: faust.StreamT[bytes]) -> None:
    async for events in stream.take_events(POLL_RECORDS, within=0.05):
        sent = []
        for event in events:
            of = event.message
            for message in job.work(of.partition, of.offset, int(of.timestamp * 1000), of.key, of.value):
                sent.append(
                    await outputs[message.topic].send(
                        key=message.key, value=message.value, headers=list(message.headers)
                    )
                )
        await asyncio.gather(*sent)


if __name__ == "__main__":
    faust.Worker(app, daemon=True, quiet=True, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()
