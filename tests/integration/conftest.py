"""Fixtures of the tests that run the commands on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings
from tests.integration.dead_letter_shop import Shop
from tests.integration.hosts import Hosts
from tests.integration.place import Place


@pytest.fixture
def place(kafka: str, fresh_valkey: EmbeddedValkey, topic_prefix: str, tmp_path: Path) -> Iterator[Place]:
    settings = Settings(
        _env_file=None,
        brokers=kafka,
        redis=SecretStr(fresh_valkey.url),
        topic_prefix=topic_prefix,
        state_folder=str(tmp_path / "state"),
        summaries="off",
        models_folder=str(tmp_path / "no models"),  # each `describe` would load torch and a sentence encoder for 10 s
        session_timeout_seconds=6.0,
        heartbeat_seconds=0.5,
        redis_settle_seconds=1.0,
        rebuild_grace_seconds=5.0,
        text_min_interval_seconds=1.0,
        summary_interval_seconds=1.0,
        partitions=3,
        api_port=0,
        api_internal_port=0,
    )
    create_topics(settings)
    with Redis.from_url(fresh_valkey.url) as client:
        yield Place(settings, client, tmp_path)


@pytest.fixture
def shop(kafka: str, topic_prefix: str) -> Shop:
    return Shop(kafka, topic_prefix)


@pytest.fixture
def hosts(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(kafka, topic_prefix, tmp_path)
    try:
        yield made
    finally:
        made.close()
