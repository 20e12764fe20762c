"""Asks the brokers through one admin client per cluster, and repeats a question while a leader is elected."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from stream_app.kafka.client_config import client_config
from stream_app.ports import BrokerUnavailable
from stream_app.settings import KafkaSettings

ADMIN_SECONDS = 10.0
"""How long an answer of the brokers may take."""

_PAUSE_SECONDS = 0.2
_TRANSIENT = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)

Answer = TypeVar("Answer")


def check_brokers(settings: KafkaSettings, seconds: float = ADMIN_SECONDS) -> str:
    """Describe the cluster in one sentence. Raises BrokerUnavailable, after ``seconds`` without an answer."""
    metadata = reach(settings, lambda admin: admin.list_topics(timeout=seconds))
    brokers = ", ".join(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())
    return f"{len(metadata.brokers)} broker(s): {brokers}"


def reach(settings: KafkaSettings, ask: Callable[[AdminClient], Answer]) -> Answer:
    """Return the answer of ``ask``, which is called again while a leader or coordinator is being elected.

    Raises BrokerUnavailable.
    """
    until = time.monotonic() + ADMIN_SECONDS
    while True:
        try:
            return ask(admin_client(settings))
        except KafkaException as error:
            if error.args[0].code() not in _TRANSIENT or time.monotonic() > until:
                raise unavailable(settings, error) from error
            time.sleep(_PAUSE_SECONDS)  # until the brokers agree
        except TimeoutError as error:  # of the future: the client still waits for a broker
            no_answer = KafkaException(KafkaError(KafkaError._TIMED_OUT))
            raise unavailable(settings, no_answer) from error


@lru_cache(maxsize=8)
def admin_client(settings: KafkaSettings) -> AdminClient:
    """Return the client of a cluster. It is never closed: librdkafka crashes when a client goes before its answers."""
    return AdminClient(client_config(settings))


def unavailable(settings: KafkaSettings, error: KafkaException) -> BrokerUnavailable:
    """Build the error for a broker that does not answer, with what to do about it."""
    return BrokerUnavailable(
        f"Kafka at {settings.brokers} does not answer as it should ({error.args[0].str()}). Does it run? "
        "`stream-app services start` starts one here; --brokers or STREAM_APP_BROKERS names another."
    )
