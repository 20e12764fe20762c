"""Apache Kafka and Valkey for the tests that ask for them: each started once per run, at the first such test.

`make test` runs the tests in several processes (pytest-xdist), each with servers of its own. Who runs many short
sessions starts them once and names them: STREAM_APP_TEST_KAFKA (host:port), STREAM_APP_TEST_VALKEY (a URL).

Tests share the servers, so each uses names of its own (`topic_prefix`, which serves as a prefix of consumer groups and
product ids too) and flushes nothing. A test that stops or kills a server starts its own (`fresh_valkey`).
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.embedded.valkey import EmbeddedValkey

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes compute at once. With a thread per core in each, threads that wait for others burn the cores:
    # a training of two seconds took three minutes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Generated cases are not timed one by one: on a busy machine any of them may wait for its turn.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


_PROCESSES_ARE_STARTED = ("integration", "browser", "reliability")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: begun last, they run alone at the end, while the other processes have none left."""
    items.sort(key=_is_short)


def _is_short(item: pytest.Item) -> tuple[bool, bool]:
    """The long ones have a timeout of their own; those that start processes take longer than others."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return item.get_closest_marker("timeout") is None, folder not in _PROCESSES_ARE_STARTED


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap address of the run's broker: 127.0.0.1:port."""
    if running := os.environ.get("STREAM_APP_TEST_KAFKA"):
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="stream-app-kafka-", ignore_cleanup_errors=True) as folder:
        broker = EmbeddedKafka(Path(folder), port=0, say=print)
        broker.start()
        yield broker.address
        broker.stop()


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """URL of the run's server: redis://127.0.0.1:port/0."""
    if running := os.environ.get("STREAM_APP_TEST_VALKEY"):
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="stream-app-valkey-", ignore_cleanup_errors=True) as folder:
        server = _valkey(Path(folder))
        server.start()
        yield server.url
        server.stop()


@pytest.fixture
def fresh_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A running, empty server for one test alone, which may stop, kill and restart it."""
    server = _valkey(tmp_path / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:8]}."


def _valkey(folder: Path) -> EmbeddedValkey:
    """Valkey, or the server whose binary STREAM_APP_TEST_REDIS_SERVER names."""
    binary = os.environ.get("STREAM_APP_TEST_REDIS_SERVER")
    return EmbeddedValkey(folder, port=0, binary=Path(binary) if binary else None)
