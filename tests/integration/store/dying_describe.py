"""One life of a `describe` whose T5 certain sentences kill: python -m tests.integration.store.dying_describe

Settings come from the environment. It ends with 0 when everything that was due has its text.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence

from stream_app.models.tuned import TunedModel
from stream_app.ports import Tokens
from stream_app.roles.describe import Describe
from stream_app.settings import Settings
from stream_app.store.summaries import RedisSummaryStore
from stream_app.testing.kafka import FakePublisher
from stream_app.testing.models import FakeModel, fake_summary, texts_of

PRODUCTS = ("calm", "killer")
EXIT_CODE = 9


class Deadly(FakeModel[str]):
    def run(self, batch: Sequence[Tokens]) -> list[str]:
        if any("deadly" in text for text in texts_of(batch)):
            os._exit(EXIT_CODE)
        return super().run(batch)


async def life() -> None:
    settings = Settings(_env_file=None)
    publisher = FakePublisher(at_once=True)
    stopping = asyncio.Event()
    role = Describe(
        settings,
        RedisSummaryStore.from_settings(settings),
        publisher,
        TunedModel(Deadly(fake_summary), 1, 1),
        now_ms=lambda: time.time_ns() // 1_000_000,
        fatal=lambda error: os._exit(1),
    )
    watched = RedisSummaryStore.from_settings(settings)

    async def until_described() -> None:
        while not all(one and one.text for one in await watched.read(PRODUCTS, time.time_ns() // 1_000_000)):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        stopping.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(role.run(stopping))
        group.create_task(until_described())
    await watched.close()


if __name__ == "__main__":
    asyncio.run(life())
