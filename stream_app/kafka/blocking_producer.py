"""Publishes messages that a person waits for: for `publish`, `dead-letter replay`, `erase`, the demo and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from stream_app.kafka.client_config import producer_config
from stream_app.kafka.topics import Topics
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import Message
from stream_app.settings import KafkaSettings

_WAIT_SECONDS = 0.2
_IN_FLIGHT_SECONDS = 2.0
_PURGED = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


def _nothing() -> None:
    """Ignore an acknowledgement."""


class BlockingProducer:
    """A producer that gives up in the end, unlike a worker's: when no broker acknowledges anything for
    ``publish_patience_seconds``. As a context manager it waits for every acknowledgement at the end.
    """

    def __init__(self, settings: KafkaSettings, **config: Any) -> None:
        """``config``: of librdkafka, where it differs from that of the other producers."""
        self.topic = Topics(settings.topic_prefix).reviews
        """Where ``send`` publishes."""
        self._settings = settings
        timeout_ms = int(settings.publish_patience_seconds * 1000)
        self._producer = Producer({**producer_config(settings), "message.timeout.ms": timeout_ms, **config})
        self._failed: Exception | None = None
        self.acknowledged = 0
        """Messages that the broker has."""
        self.outstanding = 0
        """Messages that wait for it."""

    def send(self, key: bytes | None, value: bytes | None) -> None:
        """Publish one message to the topic ``reviews``, as a shop does. Raises what ``flush`` raises."""
        self.publish(Message(self.topic, key, value))

    def publish(
        self,
        message: Message,
        on_acknowledged: Callable[[], object] = _nothing,
        on_refused: Callable[[str], object] | None = None,
        *,
        partition: int = -1,
        timestamp_ms: int = 0,
    ) -> None:
        """Queue one message; waits while the queue is full. Raises what ``flush`` raises.

        ``on_refused`` gets the broker's words; without it a refused message is an error. A message of which neither is
        called may have reached its topic or not. ``partition`` -1: by the key. ``timestamp_ms`` 0: now.
        """
        while True:
            try:
                self._producer.produce(
                    message.topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    partition=partition,
                    timestamp=timestamp_ms,
                    on_delivery=partial(self._delivered, on_acknowledged, on_refused),
                )
                self.outstanding += 1
                break
            except BufferError:
                self.poll(_WAIT_SECONDS)
            except KafkaException as error:
                if on_refused is None:
                    raise self._failure(error.args[0], message.topic) from error
                on_refused(error.args[0].str())
                break
        self.poll()

    def poll(self, seconds: float = 0.0) -> None:
        """Take notice of acknowledgements. Raises what ``flush`` raises."""
        self._producer.poll(seconds)
        if self._failed is not None:
            raise self._failed

    def flush(self, on_wait: Callable[[], object] = _nothing) -> None:
        """Wait until all is acknowledged; ``on_wait`` is called some times a second meanwhile.

        Raises BrokerUnavailable, or ConfigurationError for what was refused.
        """
        while len(self._producer):
            self.poll(_WAIT_SECONDS)
            on_wait()
        self.poll()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.flush()
        else:
            # what the broker has, or is about to have, counts as acknowledged; what was not sent is given up
            self._producer.purge(in_flight=False)
            self._producer.flush(_IN_FLIGHT_SECONDS)
            self._producer.purge()  # else its destruction would wait for a broker that is away

    def _delivered(
        self,
        on_acknowledged: Callable[[], object],
        on_refused: Callable[[str], object] | None,
        error: KafkaError | None,
        message: Delivered,
    ) -> None:
        self.outstanding -= 1
        if error is None:
            self.acknowledged += 1
            on_acknowledged()
        elif error.code() in _PURGED:
            return
        elif on_refused is not None and error.code() != KafkaError._MSG_TIMED_OUT:
            on_refused(error.str())
        elif self._failed is None:
            self._failed = self._failure(error, message.topic())

    def _failure(self, error: KafkaError, topic: str) -> Exception:
        """Build the error for a message that was not acknowledged in time, or refused."""
        if error.code() == KafkaError._MSG_TIMED_OUT:
            return BrokerUnavailable(
                f"Kafka at {self._settings.brokers} acknowledged nothing for "
                f"{self._settings.publish_patience_seconds:.0f} s. Does it run, and does {topic} exist? "
                "STREAM_APP_PUBLISH_PATIENCE_SECONDS sets how long to wait."
            )
        return ConfigurationError(f"Kafka refused a message for {topic}: {error.str()}")


def republish(settings: KafkaSettings, messages: Iterable[Message], on_done: Callable[[int, str | None], None]) -> None:
    """Publish in this order and wait. ``on_done(number, refusal)`` is called once for each message that the broker
    acknowledged (None) or refused (its words); a refused one does not stop the others.

    Raises BrokerUnavailable when the broker is away for ``publish_patience_seconds``. Then, and when anything else is
    raised here, a message without a report may have reached its topic or not.
    """
    with BlockingProducer(settings) as producer:
        for number, message in enumerate(messages):
            producer.publish(message, partial(on_done, number, None), partial(on_done, number))
