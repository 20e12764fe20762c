"""Which view a role of it may begin on: made from the log that it is connected to, and not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr
from redis import Redis

from stream_app.kafka.client_config import consumer_config
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics, log_identity
from stream_app.ports import ConfigurationError, ViewLost
from stream_app.roles.admission import admitted
from stream_app.settings import Settings
from stream_app.steps.log_identity import LogIdentity
from stream_app.store.generations import Generations, Known
from tests.waiting import wait_until_async

OTHER = LogIdentity("another cluster", "reviews.enriched", "another id")


@pytest.fixture
def settings(kafka: str, valkey: str, topic_prefix: str) -> Settings:
    made = Settings(_env_file=None, brokers=kafka, redis=SecretStr(valkey), topic_prefix=topic_prefix, partitions=2)
    create_topics(made)
    return made


@pytest.fixture
def client(settings: Settings) -> Iterator[Redis]:
    with Redis.from_url(settings.redis.get_secret_value()) as opened:
        yield opened


def known(settings: Settings) -> Known:
    async def ask() -> Known:
        generations = Generations.from_settings(settings)
        try:
            return await generations.known()
        finally:
            await generations.close()

    return asyncio.run(ask())


def note(settings: Settings, generation: int, origin: LogIdentity) -> None:
    async def tell() -> None:
        generations = Generations.from_settings(settings)
        await generations.record_origin(generation, origin)
        await generations.close()

    asyncio.run(tell())


def commit(settings: Settings, generation: int, offset: int) -> None:
    """As `summarize` of that generation does."""
    group = settings.model_copy(update={"generation": generation}).group("summarize")
    consumer = Consumer({**consumer_config(settings), "group.id": group})
    topic = Topics(settings.topic_prefix).enriched
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


def begin(settings: Settings, role: str = "summarize") -> int:
    return asyncio.run(admitted(settings, role)).generation


def test_new_installation_is_begun_and_begun_again_before_its_first_commit(settings: Settings) -> None:
    """The log that it is made from is noted once."""
    assert begin(settings) == 1
    assert begin(settings) == 1
    commit(settings, 1, 0)  # offsets that were reset to the beginning are no progress
    assert begin(settings) == 1
    assert known(settings).origins == {1: log_identity(settings)}


def test_installation_that_goes_on_is_admitted(settings: Settings) -> None:
    begin(settings)
    commit(settings, 1, 5)

    assert [begin(settings, role) for role in ("summarize", "describe", "notify")] == [1, 1, 1]


@pytest.mark.parametrize("generation", [1, 12])
def test_view_that_redis_lost_is_not_begun_again(settings: Settings, generation: int) -> None:
    """Also where the number of the generation is lost with it: then any group's progress counts."""
    commit(settings, generation, 5)

    with pytest.raises(ViewLost, match="the log is whole: run `stream-app rebuild`"):
        begin(settings)
    assert (known(settings).origins, known(settings).lost) == ({}, True), "readers see it, too"


def test_new_generation_is_begun_beside_one_that_has_progress(settings: Settings) -> None:
    """As with STREAM_APP_GENERATION: Redis knows another view, so nothing is lost."""
    begin(settings)
    commit(settings, 1, 5)

    assert begin(settings.model_copy(update={"generation": 7})) == 7


@pytest.mark.parametrize("role", ["describe", "notify"])
def test_other_roles_wait_until_the_view_is_begun_and_write_nothing(settings: Settings, role: str) -> None:
    async def scenario() -> None:
        waiting = asyncio.create_task(admitted(settings, role))
        await asyncio.wait([waiting], timeout=1.5)
        assert not waiting.done()
        await admitted(settings, "summarize")
        await wait_until_async(waiting.done, 30, "it goes on")
        assert waiting.result().generation == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("role", ["summarize", "describe", "notify"])
def test_view_of_another_log_is_refused_in_words_that_help(settings: Settings, role: str) -> None:
    note(settings, 1, OTHER)

    with pytest.raises(ConfigurationError) as refused:
        begin(settings, role)

    assert not isinstance(refused.value, ViewLost)
    assert str(OTHER) in str(refused.value)
    assert str(log_identity(settings)) in str(refused.value)
    assert "rebuild --accept-loss" in str(refused.value)
