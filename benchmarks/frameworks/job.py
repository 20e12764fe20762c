"""What a framework has to do: where it reads and writes, and the work for one record. Imported in its environment."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass

import orjson

from benchmarks.frameworks.work import enriched_and_alerts
from stream_app.records import Message

POLL_RECORDS = 1000
COMMIT_SECONDS = 0.5
LINGER_MS = 5
"""As our worker polls, commits and publishes; every framework also waits for acks=all before it commits."""


@dataclass(frozen=True)
class Job:
    """One timed run; given to the framework's process as JSON in its first argument."""

    brokers: str
    group: str
    reviews: str
    enriched: str
    alerts: str
    total: int

    @staticmethod
    def from_arguments() -> Job:
        return Job(**orjson.loads(sys.argv[1]))

    def as_argument(self) -> str:
        return orjson.dumps(asdict(self)).decode()

    def work(self, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes) -> list[Message]:
        """The messages that this record leads to, ready to be produced."""
        return enriched_and_alerts(
            self.reviews,
            partition,
            offset,
            timestamp_ms,
            key,
            value,
            enriched_topic=self.enriched,
            alerts_topic=self.alerts,
            now_ms=time.time_ns() // 1_000_000,
        )
