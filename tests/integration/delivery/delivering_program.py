"""A process that queues alerts and delivers them, as `notify` does: `python -m … REDIS PREFIX URL NUMBER-OF-ALERTS`."""

from __future__ import annotations

import asyncio
import sys
import time

from pydantic import SecretStr

from stream_app.delivery.receivers import HttpReceiver, Receivers
from stream_app.kafka.topics import Topics
from stream_app.roles.notify import receiver_task
from stream_app.roles.notify.deliveries import Deliveries
from stream_app.settings import Settings
from stream_app.steps.deliveries import DeliveryRule
from stream_app.store.deliveries import DeliveryQueues
from stream_app.testing.kafka import FakePublisher
from stream_app.testing.store import MemorySummaryStore
from tests.unit.roles.delivery_stage import numbered, record_of


async def main(redis: str, prefix: str, url: str, alerts: int) -> None:
    settings = Settings(_env_file=None, redis=SecretStr(redis), topic_prefix=prefix)
    deliveries = Deliveries(
        Receivers({"a": HttpReceiver("a", "webhook", url, allow_private=True)}, (DeliveryRule("a"),)),
        DeliveryQueues.from_settings(settings),
        MemorySummaryStore(),
        FakePublisher(at_once=True),
        Topics(""),
        owner=f"{time.time_ns()}",
        patience_seconds=30.0,
        now_ms=lambda: time.time_ns() // 1_000_000,
        fatal=lambda error: sys.exit(f"{error}"),
    )
    await deliveries.queue([record_of(numbered(number)) for number in range(alerts)])
    deliveries.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    receiver_task.LEASE_MS = 1_000  # the next process does not wait for half a minute
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
