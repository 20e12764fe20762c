"""What the brokers say of topics, and when."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream_app.kafka import admin, topics_admin
from stream_app.kafka.topics import Topics
from stream_app.settings import Settings
from stream_app.steps.log_identity import LogIdentity


class LateBroker:
    """An AdminClient: tells of a topic that was made only when it was asked ``late`` times since."""

    def __init__(self, late: int) -> None:
        self.late = late
        self.made: list[str] = []
        self.asked_since = 0

    def list_topics(self, timeout: float) -> Any:
        self.asked_since += bool(self.made)
        known = self.made if self.asked_since > self.late else []
        return SimpleNamespace(topics={name: SimpleNamespace(error=None) for name in known})

    def create_topics(self, topics: list[Any], operation_timeout: float) -> dict[str, Future[None]]:
        self.made = [topic.topic for topic in topics]
        done: Future[None] = Future()
        done.set_result(None)
        return dict.fromkeys(self.made, done)


def test_topics_that_were_made_are_known_when_the_call_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller's answer came first: a request for a topic's offsets was then answered that there is none."""
    broker = LateBroker(late=2)
    monkeypatch.setattr(admin, "admin_client", lambda settings: broker)
    monkeypatch.setattr(admin, "_PAUSE_SECONDS", 0.001)

    made = topics_admin.create_topics(Settings(_env_file=None))

    assert set(made) == set(Topics("").all())
    assert broker.list_topics(1.0).topics.keys() == set(made)
    assert broker.asked_since > 3


class Describing:
    """An AdminClient that answers, or fails, when it is asked to describe a topic."""

    def __init__(self, said: object) -> None:
        self._said = said

    def list_topics(self, timeout: float) -> Any:
        return SimpleNamespace(cluster_id="c", topics={"reviews.enriched": SimpleNamespace(error=None)})

    def describe_topics(self, topics: object, request_timeout: float) -> dict[str, Future[Any]]:
        done: Future[Any] = Future()
        if isinstance(self._said, Exception):
            done.set_exception(self._said)
        else:
            done.set_result(SimpleNamespace(topic_id=self._said))
        return {"reviews.enriched": done}


@pytest.mark.parametrize(
    ("said", "topic_id"),
    [
        ("Zm9vYmFy", "Zm9vYmFy"),
        ("AAAAAAAAAAAAAAAAAAAAAA", ""),
        (None, ""),
        (KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)), ""),
        (KafkaException(KafkaError(KafkaError.UNSUPPORTED_VERSION)), ""),
    ],
)
def test_topic_id_is_empty_where_the_brokers_do_not_say_it(
    monkeypatch: pytest.MonkeyPatch, said: object, topic_id: str
) -> None:
    """Before Kafka 2.8, or without the right to describe the topic: the cluster and the name are left to tell by."""
    monkeypatch.setattr(admin, "admin_client", lambda settings: Describing(said))

    found = topics_admin.log_identity(Settings(_env_file=None))

    assert found == LogIdentity("c", "reviews.enriched", topic_id)
