"""Publishes messages that a person waits for, and reports the result of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from stream_app.kafka.client_config import producer_config
from stream_app.ports import BrokerUnavailable
from stream_app.records import Message
from stream_app.settings import KafkaSettings

_WAIT_SECONDS = 0.2


def republish(settings: KafkaSettings, messages: Iterable[Message], on_done: Callable[[int, str | None], None]) -> None:
    """Publish in this order and wait. ``on_done(number, refusal)`` is called once for each message that the broker
    acknowledged (None) or refused (its words); a refused one does not stop the others.

    Raises BrokerUnavailable when the broker is away for ``publish_patience_seconds``. Then, and when anything else is
    raised here, a message without a report may have reached its topic or not.
    """
    timed_out: list[KafkaError] = []

    def delivered(number: int, error: KafkaError | None, _: Any) -> None:
        if error is not None and error.code() == KafkaError._MSG_TIMED_OUT:
            timed_out.append(error)
        elif error is None or error.code() not in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
            on_done(number, error.str() if error is not None else None)

    def poll(seconds: float) -> None:
        producer.poll(seconds)
        if timed_out:
            raise BrokerUnavailable(
                f"Kafka at {settings.brokers} acknowledged nothing for {settings.publish_patience_seconds:.0f} s. "
                "Does it run? STREAM_APP_PUBLISH_PATIENCE_SECONDS sets how long to wait."
            )

    # unlike a worker's, this producer gives up in the end
    timeout_ms = int(settings.publish_patience_seconds * 1000)
    producer = Producer({**producer_config(settings), "message.timeout.ms": timeout_ms})
    try:
        for number, message in enumerate(messages):
            while True:
                try:
                    producer.produce(
                        message.topic,
                        value=message.value,
                        key=message.key,
                        headers=list(message.headers),
                        on_delivery=partial(delivered, number),
                    )
                    break
                except BufferError:
                    poll(_WAIT_SECONDS)
                except KafkaException as error:
                    on_done(number, error.args[0].str())
                    break
            poll(0)
        while len(producer):
            poll(_WAIT_SECONDS)
        poll(0)
    finally:
        producer.purge()  # else its destruction would wait for a broker that is away
