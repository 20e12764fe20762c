"""Topics, offsets, lag and reading from outside, on a real broker."""

from __future__ import annotations

import itertools

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from stream_app.kafka import admin
from stream_app.kafka.admin import check_brokers
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.groups import lag
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import newest, read_from, read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics, list_topics, log_identity
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.settings import Settings
from tests.waiting import wait_until


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> Settings:
    return Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix, partitions=2)


def test_topics_are_made_once_with_their_configuration(settings: Settings) -> None:
    topics = Topics(settings.topic_prefix)
    assert create_topics(settings) == dict.fromkeys(topics.all(), True)
    assert create_topics(settings) == dict.fromkeys(topics.all(), False)
    facts = {topic.name: (topic.partitions, topic.messages, topic.retention) for topic in list_topics(settings)}
    assert facts == {
        topics.reviews: (2, 0, "7 days"),
        topics.enriched: (2, 0, "for ever"),
        topics.alerts: (2, 0, "30 days"),
        topics.summaries: (2, 0, "compacted"),
        topics.signals: (2, 0, "compacted"),
        topics.dead_letter: (2, 0, "30 days"),
    }


def test_enriched_topic_takes_two_mebibytes(settings: Settings) -> None:
    create_topics(settings)
    resource = ConfigResource(ResourceType.TOPIC, Topics(settings.topic_prefix).enriched)
    client = AdminClient({"bootstrap.servers": settings.brokers})
    [described] = client.describe_configs([resource]).values()
    assert described.result(10)["max.message.bytes"].value == str(2 * 1024 * 1024)


def test_more_copies_than_brokers_is_said_in_clear_words(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="STREAM_APP_REPLICATION"):
        create_topics(settings.model_copy(update={"replication": 3}))


def test_missing_topic_is_said_in_clear_words(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="stream-app topics create"):
        end_offsets(settings, Topics(settings.topic_prefix).reviews)


def test_feed_waits_for_every_acknowledgement_and_keeps_a_products_partition(settings: Settings) -> None:
    create_topics(settings)
    with BlockingProducer(settings) as producer:
        for number in range(100):
            producer.send(f"product-{number % 5}".encode(), str(number).encode())
        producer.send(None, b"without key")
    assert sum(end_offsets(settings, producer.topic).values()) == 101
    partitions: dict[bytes | None, set[int]] = {}
    for record in read_to_end(settings, producer.topic):
        if record.key is not None:
            partitions.setdefault(record.key, set()).add(record.partition)
    assert all(len(places) == 1 for places in partitions.values())
    assert len(partitions) == 5


def test_products_get_the_partition_that_java_clients_give_them(settings: Settings) -> None:
    """murmur2 as Kafka's own tests have it: 21 -> -973932308, foobar -> -790332482 (toPositive, modulo)."""
    create_topics(settings)
    with BlockingProducer(settings) as producer:
        producer.send(b"21", b"")
        producer.send(b"foobar", b"")
    found = {record.key: record.partition for record in read_to_end(settings, producer.topic)}
    assert found == {b"21": (-973932308 & 0x7FFFFFFF) % 2, b"foobar": (-790332482 & 0x7FFFFFFF) % 2}


def test_reading_begins_where_asked_and_ends_at_the_end(settings: Settings) -> None:
    create_topics(settings)
    topic = Topics(settings.topic_prefix).reviews
    assert list(read_to_end(settings, topic)) == []
    assert newest(settings, topic) is None
    with BlockingProducer(settings) as producer:
        for number in range(10):
            producer.send(b"product", str(number).encode())
    [partition] = [number for number, end in end_offsets(settings, topic).items() if end]
    assert [record.value for record in read_to_end(settings, topic, since={partition: 7})] == [b"7", b"8", b"9"]
    last = newest(settings, topic)
    assert last is not None
    assert (last.value, last.key, last.partition, last.offset) == (b"9", b"product", partition, 9)
    following = read_from(settings, topic, from_end=False)
    assert [record.value for record in itertools.islice(following, 10)] == [str(n).encode() for n in range(10)]
    following.close()  # type: ignore[attr-defined]


def test_lag_counts_what_is_not_committed(settings: Settings) -> None:
    create_topics(settings)
    with BlockingProducer(settings) as producer:
        for _ in range(10):
            producer.send(b"product", b"")
    assert lag(settings, "enrich") == 10
    [partition] = [number for number, end in end_offsets(settings, producer.topic).items() if end]
    committed = [TopicPartition(producer.topic, partition, 4)]
    group = ConsumerGroupTopicPartitions(settings.group("enrich"), committed)
    client = AdminClient({"bootstrap.servers": settings.brokers})
    client.alter_consumer_group_offsets([group])[group.group_id].result(10)
    assert lag(settings, "enrich") == 6


def test_brokers_are_named_or_said_to_be_away(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "ADMIN_SECONDS", 1.0)
    assert check_brokers(settings) == f"1 broker(s): {settings.brokers}"
    with pytest.raises(BrokerUnavailable, match="STREAM_APP_BROKERS"):
        check_brokers(settings.model_copy(update={"brokers": "127.0.0.1:1"}))


def test_log_is_known_by_its_cluster_and_its_topics_id(settings: Settings) -> None:
    """A topic that is deleted and made again has another id; one that is missing is said."""
    with pytest.raises(ConfigurationError, match="stream-app topics create"):
        log_identity(settings)
    create_topics(settings)
    first = log_identity(settings)
    assert log_identity(settings) == first
    assert first.topic == Topics(settings.topic_prefix).enriched
    assert first.cluster_id
    assert first.topic_id

    client = AdminClient({"bootstrap.servers": settings.brokers})
    for deleted in client.delete_topics([first.topic]).values():
        deleted.result(10)
    wait_until(lambda: first.topic not in client.list_topics(timeout=10).topics, 20, "the topic is gone")
    create_topics(settings)

    again = log_identity(settings)
    assert (again.cluster_id, again.topic) == (first.cluster_id, first.topic)
    assert again.topic_id != first.topic_id
