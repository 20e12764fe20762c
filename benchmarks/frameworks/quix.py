"""A Quix Streams application: our steps in ``apply``, both outputs with ``to_topic``."""

from __future__ import annotations

from typing import Any

from quixstreams import Application, message_context

from benchmarks.frameworks.job import COMMIT_SECONDS, LINGER_MS, Job
from stream_app.records import Message


def main(job: Job) -> None:
    app = Application(
        broker_address=job.brokers,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_interval=COMMIT_SECONDS,
        loglevel="WARNING",
        producer_extra_config={
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": LINGER_MS,
            "partitioner": "murmur2_random",
        },
    )

    def raw(name: str) -> Any:
        forms = dict.fromkeys(("key_deserializer", "value_deserializer", "key_serializer", "value_serializer"), "bytes")
        return app.topic(name, **forms)

    def work(value: bytes, key: bytes, timestamp: int, headers: Any) -> list[Message]:
        record = message_context()
        return job.work(record.partition, record.offset, timestamp, key, value)

    def headers_of(message: Message, key: bytes, timestamp: int, headers: Any) -> Any:
        return list(message.headers)

    made = app.dataframe(raw(job.reviews)).apply(work, metadata=True, expand=True).set_headers(headers_of)
    for name in (job.alerts, job.enriched):
        made.filter(lambda message, name=name: message.topic == name).apply(lambda message: message.value).to_topic(
            raw(name)
        )
    app.run()


if __name__ == "__main__":
    main(Job.from_arguments())
