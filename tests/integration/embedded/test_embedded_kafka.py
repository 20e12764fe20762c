from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stream_app.embedded.free_port import free_port
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.ports import ConfigurationError
from tests.waiting import wait_until

_TOPIC = "reviews"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    kafka = EmbeddedKafka(tmp_path, port=0)
    kafka.start()
    yield kafka
    kafka.stop()


def _create_topic(address: str, partitions: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(_TOPIC, partitions)])[_TOPIC].result(timeout=20)


def _produce(address: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all", "message.max.bytes": 2 * 1024 * 1024})
    errors: list[object] = []
    producer.produce(_TOPIC, value, on_delivery=lambda error, message: errors.append(error))
    assert producer.flush(20) == 0
    assert errors == [None]


def _consume(address: str) -> bytes:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe([_TOPIC])
    try:
        message = wait_until(lambda: consumer.poll(0.5), 20, "a message arrives")
        assert message.error() is None
        return message.value()
    finally:
        consumer.close()


def test_message_is_still_there_after_stop_and_restart(broker: EmbeddedKafka) -> None:
    address = broker.address
    _create_topic(address)
    _produce(address, b"before")
    assert _consume(address) == b"before"

    broker.stop()
    assert broker.processes == []
    broker.start()

    assert broker.address == address
    _produce(address, b"after")
    assert _consume(address) == b"after"  # the group's offset is still there too


def test_message_is_still_there_after_the_broker_was_killed(broker: EmbeddedKafka) -> None:
    _create_topic(broker.address)
    _produce(broker.address, b"before")

    broker.kill()
    assert broker.processes == []
    broker.start()

    assert _consume(broker.address) == b"before"


def test_largest_message_of_the_system_fits(broker: EmbeddedKafka) -> None:
    _create_topic(broker.address)
    largest = b"x" * (2 * 1024 * 1024 - 1024)

    _produce(broker.address, largest)

    assert _consume(broker.address) == largest


def test_busy_port_is_replaced_and_it_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        busy = stranger.getsockname()[1]
        kafka = EmbeddedKafka(tmp_path, port=busy, say=said.append)
        kafka.start()
    try:
        assert f"Port {busy} is busy: Apache Kafka listens on {kafka.address.split(':')[1]} instead." in said
        assert AdminClient({"bootstrap.servers": kafka.address}).list_topics(timeout=10).brokers
    finally:
        kafka.stop()


def test_port_taken_between_choice_and_start_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        busy = stranger.getsockname()[1]
        answers = iter([busy])
        monkeypatch.setattr(
            "stream_app.embedded.kafka.free_port",
            lambda *args, **options: next(answers, None) or free_port(*args, **options),
        )
        kafka = EmbeddedKafka(tmp_path, port=0)
        kafka.start()
    try:
        assert kafka.address != f"127.0.0.1:{busy}"
        assert len(kafka.processes) == 1
    finally:
        kafka.stop()


def test_broker_that_cannot_start_shows_its_log_and_leaves_nothing(broker: EmbeddedKafka, tmp_path: Path) -> None:
    broker.stop()
    (tmp_path / "node-1" / "topics" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=other\n")

    with pytest.raises(ConfigurationError, match=r"(?s)Apache Kafka did not start.*node.*7.*empty data folder"):
        broker.start()

    assert broker.processes == []


def test_three_nodes_accept_messages_while_one_is_dead_and_take_it_back(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path, nodes=3, port=0)
    kafka.start()
    try:
        _create_topic(kafka.address)
        kafka.kill(node=2)
        assert len(kafka.processes) == 2
        _produce(kafka.address, b"while one was dead")

        kafka.start()

        assert len(kafka.processes) == 3
        assert _consume(kafka.address) == b"while one was dead"
    finally:
        kafka.kill()
