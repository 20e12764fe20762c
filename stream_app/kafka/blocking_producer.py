"""Publishes reviews as a shop's producer does: for `publish`, the demo and the benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_app.kafka.client_config import producer_config
from stream_app.kafka.topics import Topics
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.settings import KafkaSettings

_FULL_QUEUE_SECONDS = 1.0
_IN_FLIGHT_SECONDS = 2.0


class BlockingProducer:
    """A producer for the topic ``reviews``. As a context manager it waits for every acknowledgement at the end."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.topic = Topics(settings.topic_prefix).reviews
        self._settings = settings
        # a person waits: unlike a worker's, this producer gives up in the end
        timeout_ms = int(settings.publish_patience_seconds * 1000)
        self._producer = Producer({**producer_config(settings), "message.timeout.ms": timeout_ms})
        self._error: KafkaError | None = None
        self.acknowledged = 0
        """Messages that the broker has."""
        self.outstanding = 0
        """Messages that wait for it."""

    def send(self, key: bytes | None, value: bytes | None) -> None:
        """Queue one message; waits while the queue is full. Raises what ``flush`` raises."""
        while True:
            try:
                self._producer.produce(self.topic, value=value, key=key, on_delivery=self._delivered)
                self.outstanding += 1
                break
            except BufferError:
                self._producer.poll(_FULL_QUEUE_SECONDS)
            except KafkaException as error:
                raise self._refused(error.args[0]) from error
        self.poll()

    def poll(self) -> None:
        """Take notice of acknowledgements. Raises what ``flush`` raises."""
        self._producer.poll(0)
        self._raise_if_failed()

    def flush(self, on_wait: Callable[[], object] = lambda: None) -> None:
        """Wait until all is acknowledged; ``on_wait`` is called some times a second meanwhile.

        Raises BrokerUnavailable, or ConfigurationError for what was refused.
        """
        while self._producer.flush(0.2):
            self._raise_if_failed()
            on_wait()
        self._raise_if_failed()

    def __enter__(self) -> BlockingProducer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.flush()
        else:
            # what the broker has, or is about to have, counts as acknowledged; what was not sent is given up
            self._producer.purge(in_flight=False)
            self._producer.flush(_IN_FLIGHT_SECONDS)
            self._producer.purge()

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self.outstanding -= 1
        if error is None:
            self.acknowledged += 1
        elif self._error is None:
            self._error = error

    def _raise_if_failed(self) -> None:
        if self._error is not None:
            raise self._refused(self._error)

    def _refused(self, error: KafkaError) -> Exception:
        if error.code() == KafkaError._MSG_TIMED_OUT:
            return BrokerUnavailable(
                f"Kafka at {self._settings.brokers} acknowledged nothing for "
                f"{self._settings.publish_patience_seconds:.0f} s. Does it run, and does {self.topic} exist?"
            )
        return ConfigurationError(f"Kafka refused a message for {self.topic}: {error.str()}")
