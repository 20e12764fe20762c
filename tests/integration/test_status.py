"""`stream-app status` on a real Kafka and Valkey: without and with workers."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import Consumer
from typer.testing import CliRunner

from stream_app.__main__ import app
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.client_config import consumer_config
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings


@pytest.fixture
def settings(kafka: str, valkey: str, topic_prefix: str) -> Settings:
    made = Settings(_env_file=None, brokers=kafka, redis=valkey, topic_prefix=topic_prefix, partitions=3, generation=1)
    create_topics(made)
    return made


def lines(settings: Settings, *arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
    servers = ["--brokers", settings.brokers, "--redis", settings.redis.get_secret_value()]
    done = CliRunner().invoke(app, ["status", "--json", *servers, "--topic-prefix", settings.topic_prefix, *arguments])
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return done.exit_code, {str(line["part"]): line for line in found}


def test_status_names_the_role_that_has_no_worker(settings: Settings) -> None:
    """With its lag; what is rejected is counted by reason."""
    with BlockingProducer(settings) as producer:
        for _ in range(3):
            producer.send(b"kettle", b"{}")
    topics = Topics(settings.topic_prefix)
    reader = Consumer({**consumer_config(settings), "group.id": settings.group("notify")})
    reader.subscribe([topics.alerts])
    try:
        for _ in range(60):
            reader.poll(0.5)
            if reader.assignment():
                break
        code, found = lines(settings)
    finally:
        reader.close()

    assert code == 1
    enrich, notify = found["enrich"], found["notify"]
    assert (enrich["ok"], enrich["facts"]["members"], enrich["facts"]["lag_records"]) == (False, 0, 3)  # type: ignore[index]
    assert 0 <= enrich["facts"]["lag_seconds"] < 60  # type: ignore[index]
    assert "`stream-app worker enrich`" in str(enrich["next_step"])
    assert (notify["ok"], notify["facts"]["members"], notify["facts"]["assigned"]) == (True, 1, 3)  # type: ignore[index]
    assert not found["describe"]["ok"]
    assert "no worker. Start `stream-app worker describe`" in str(found["describe"]["next_step"])
    assert "nothing was rejected" in str(found["dead letter"]["words"])


def test_status_of_servers_that_are_away_says_so(settings: Settings) -> None:
    """Once, within seconds; no traceback."""
    code, found = lines(settings.model_copy(update={"brokers": "127.0.0.1:1"}))
    assert code == 1
    assert "does not answer" in str(found["Kafka"]["next_step"])
    assert "`stream-app services start`" in str(found["Kafka"]["next_step"])
