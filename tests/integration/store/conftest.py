"""Real stores: one on the run's server, others on a server of the test's own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.settings import Settings
from stream_app.steps.log_identity import LogIdentity
from stream_app.store.generations import Generations
from stream_app.store.keys import Namespace
from stream_app.store.replay import ReplayStore
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.running import Run

Opener = Callable[..., RedisSummaryStore]
NAMESPACE = Namespace.of(Settings())
ORIGIN = LogIdentity("a cluster", "reviews.enriched", "a topic id")


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs coroutines one after another on one event loop."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def open_store(run: Run) -> Iterator[Opener]:
    """Opens stores on a URL, each closed at the end; ``begun``: their view is. Further settings by name."""
    opened: list[RedisSummaryStore] = []

    def opener(url: str, *, begun: bool = False, **settings: Any) -> RedisSummaryStore:
        given: dict[str, Any] = {"redis": url, "generation": 1} | settings
        made = Settings(**given)
        if begun:
            run(begin(made))
        opened.append(RedisSummaryStore.from_settings(made))
        return opened[-1]

    yield opener
    for store in opened:
        run(store.close())


async def begin(settings: Settings) -> None:
    """Note which log the generation is made from, as `summarize` does at its start."""
    generations = Generations.from_settings(settings)
    await generations.record_origin(settings.generation, ORIGIN)
    await generations.close()


@pytest.fixture
def generation() -> int:
    """A view that no other test has."""
    return random.randrange(2**31)


@pytest.fixture
def settings(fresh_valkey: EmbeddedValkey) -> Settings:
    return Settings(_env_file=None, redis=fresh_valkey.url)


@pytest.fixture
def generations(run: Run, settings: Settings) -> Iterator[Generations]:
    opened = Generations.from_settings(settings)
    yield opened
    run(opened.close())


@pytest.fixture
def new(run: Run, settings: Settings) -> Iterator[ReplayStore]:
    """Generation 2, which is being built."""
    opened = ReplayStore.from_settings(settings.model_copy(update={"generation": 2}))
    yield opened
    run(opened.close())


@pytest.fixture
def old(fresh_valkey: EmbeddedValkey, open_store: Opener) -> RedisSummaryStore:
    """Generation 1."""
    return open_store(fresh_valkey.url)
