"""The stores that the behaviour suite runs on: one in memory, and the real one on the run's server and on a cluster."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from stream_app.delivery.queue import DeliveryQueue
from stream_app.ports import SummaryStore
from stream_app.settings import Settings
from stream_app.store.deliveries import DeliveryQueues
from stream_app.store.summaries import RedisSummaryStore
from stream_app.testing.deliveries import MemoryDeliveryQueues
from stream_app.testing.store import MemorySummaryStore
from tests.behaviour.running import Run
from tests.reliability.testbed.valkey_cluster import ValkeyCluster


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs coroutines one after another on one event loop."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def generation() -> int:
    """A view that no other test has."""
    return random.randrange(2**31)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a cluster of three masters and three replicas."""
    with ValkeyCluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running.url


@pytest.fixture(
    params=["memory", pytest.param("server", marks=pytest.mark.store), pytest.param("cluster", marks=pytest.mark.store)]
)
def store(request: pytest.FixtureRequest, run: Run, generation: int) -> Iterator[SummaryStore]:
    """An empty store; texts are made at most once a minute."""
    interval_ms = round(Settings(_env_file=None).summary_interval_seconds * 1000)
    opened: Any = MemorySummaryStore(publication_interval_ms=interval_ms, generation=generation)
    if request.param != "memory":
        url = request.getfixturevalue("valkey" if request.param == "server" else "cluster")
        on_a_cluster = request.param == "cluster"
        opened = RedisSummaryStore.from_settings(Settings(redis=url, redis_cluster=on_a_cluster, generation=generation))
    yield opened
    run(opened.close())


@pytest.fixture(
    params=["memory", pytest.param("server", marks=pytest.mark.store), pytest.param("cluster", marks=pytest.mark.store)]
)
def queues(request: pytest.FixtureRequest, run: Run) -> Iterator[DeliveryQueue]:
    """Queues of alerts; on servers they may hold those of other tests."""
    opened: Any = MemoryDeliveryQueues()
    if request.param != "memory":
        url = request.getfixturevalue("valkey" if request.param == "server" else "cluster")
        opened = DeliveryQueues.from_settings(Settings(redis=url, redis_cluster=request.param == "cluster"))
    yield opened
    run(opened.close())
