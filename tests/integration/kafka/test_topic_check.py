"""Topics that were made by hand, or again, on real brokers: said at start, repaired where that only widens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from typer.testing import CliRunner

from stream_app.commands.topics import app
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.topic_check import check_topics_of, look_at_topics, repair_topics
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.ports import ConfigurationError
from stream_app.records import Message
from stream_app.settings import Settings
from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until, wait_until_async

MakeStage = Callable[[int], Stage]


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> Settings:
    made = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix, partitions=2)
    create_topics(made)
    return made


@lru_cache(maxsize=4)
def admin(settings: Settings) -> AdminClient:
    return AdminClient({"bootstrap.servers": settings.brokers, "log_level": 0})


def set_config(settings: Settings, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    [done] = admin(settings).incremental_alter_configs([resource]).values()
    done.result(10)
    wait_until(lambda: config_of(settings, topic)[name] == value, 20, f"the broker applies {name}={value}")


def config_of(settings: Settings, topic: str) -> dict[str, str]:
    [found] = admin(settings).describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in found.result(10).items()}


def delete(settings: Settings, topic: str) -> None:
    client = admin(settings)
    client.delete_topics([topic])[topic].result(10)
    wait_until(lambda: topic not in client.list_topics(timeout=5).topics, 30, "it is gone")


def make(settings: Settings, topic: str) -> None:
    """With the broker's defaults, as somebody may do by hand."""
    admin(settings).create_topics([NewTopic(topic, 2, 1)])[topic].result(10)
    client = admin(settings)
    wait_until(lambda: topic in client.list_topics(timeout=5).topics, 30, "it is there")


def test_topics_that_we_make_are_as_they_should_be(settings: Settings) -> None:
    assert look_at_topics(settings, Topics(settings.topic_prefix).all()) == []
    for role in ("enrich", "summarize", "describe", "notify"):
        check_topics_of(settings, role)


@pytest.mark.parametrize("role", ["enrich", "summarize", "notify"])
def test_dead_letter_topic_made_with_the_brokers_size_is_said_at_start_and_repaired(
    settings: Settings, role: str
) -> None:
    dead_letter = Topics(settings.topic_prefix).dead_letter
    delete(settings, dead_letter)
    with pytest.raises(ConfigurationError, match=f"Topic {dead_letter} does not exist"):
        check_topics_of(settings, role)
    make(settings, dead_letter)
    set_config(settings, dead_letter, "max.message.bytes", "1048588")
    with pytest.raises(ConfigurationError, match=f"{dead_letter} has max.message.bytes=1048588"):
        check_topics_of(settings, role)

    repaired, left = repair_topics(settings)

    assert [(one.topic, one.setting) for one in repaired] == [(dead_letter, "max.message.bytes")]
    assert left == []
    check_topics_of(settings, role)


def test_create_says_what_it_repaired_and_what_it_may_not_change(settings: Settings) -> None:
    topics = Topics(settings.topic_prefix)
    set_config(settings, topics.summaries, "cleanup.policy", "delete")
    set_config(settings, topics.enriched, "retention.ms", "86400000")
    arguments = ["create", "--brokers", settings.brokers, "--topic-prefix", settings.topic_prefix]

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 0, result.output
    assert f"repaired  {topics.summaries}: cleanup.policy=compact" in result.output
    assert f"not changed  Topic {topics.enriched} has retention.ms=86400000" in result.output
    assert f"--entity-name {topics.enriched} --add-config retention.ms=-1" in result.output
    assert config_of(settings, topics.summaries)["cleanup.policy"] == "compact"
    assert config_of(settings, topics.enriched)["retention.ms"] == "86400000"


def test_worker_without_its_dead_letter_topic_says_so_and_takes_nothing(stage: MakeStage) -> None:
    s = stage(1)
    dead_letter = Topics(s.settings.topic_prefix).dead_letter
    delete(s.settings, dead_letter)
    s.produce(range(5))
    worker = s.start_only()
    assert worker.process.wait(60) != 0
    assert f"Topic {dead_letter} does not exist: `stream-app topics create` makes it." in worker.log()
    assert worker.events("started") == []
    assert s.committed() == {}


def test_topic_made_again_too_small_under_a_running_role_is_named(settings: Settings) -> None:
    """The process ends; at its next start it says the same."""
    dead_letter = Topics(settings.topic_prefix).dead_letter
    set_config(settings, dead_letter, "max.message.bytes", "100000")
    errors: list[BaseException] = []

    async def publish() -> None:
        publisher = ConfluentPublisher(settings, errors.append)

        def attempt() -> list[BaseException]:
            publisher.publish([Message(dead_letter, b"k", os.urandom(200_000))], lambda: None)
            return errors

        await wait_until_async(attempt, 20, "it is refused, once the broker applies the new size")
        await publisher.close(0.0)

    asyncio.run(publish())

    error = errors[0]
    assert isinstance(error, ConfigurationError)
    assert f"Topic {dead_letter} refuses a message of 200000 bytes: its max.message.bytes is less" in str(error)


@pytest.mark.slow
def test_acknowledged_records_have_two_copies_on_three_brokers(tmp_path: Path) -> None:
    brokers = EmbeddedKafka(tmp_path / "kafka", nodes=3, port=0)
    brokers.start()
    try:
        settings = Settings(_env_file=None, brokers=brokers.address, partitions=1, replication=3)
        create_topics(settings)
        names = Topics("").all()
        assert {config_of(settings, name)["min.insync.replicas"] for name in names} == {"2"}
        described = admin(settings).describe_topics(TopicCollection(list(names)))
        assert {len(one.result(10).partitions[0].replicas) for one in described.values()} == {3}
        assert look_at_topics(settings, names) == []

        set_config(settings, "reviews.enriched", "min.insync.replicas", "1")
        wait_until(lambda: len(look_at_topics(settings, names)) == 1, 30, "all brokers know it")
        [weak] = look_at_topics(settings, names)
        assert "has min.insync.replicas=1 with 3 copies" in weak.message(settings.brokers)
        repair_topics(settings)
        wait_until(lambda: look_at_topics(settings, names) == [], 30, "it is repaired")
    finally:
        brokers.stop()
