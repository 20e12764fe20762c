"""Publishes messages in order with acks=all, without ever blocking the event loop; what fails ends the process."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from stream_app import telemetry
from stream_app.kafka.client_config import RECONNECT_SECONDS, producer_config
from stream_app.kafka.fatal import fatal
from stream_app.kafka.topics import KIB, MAX_MESSAGE_BYTES, MIB, Topics
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import Message, size_of
from stream_app.settings import KafkaSettings

_BATCH_OVERHEAD_BYTES = 4 * KIB  # of the batch around a record; generous
_MAX_OUTSTANDING_MESSAGES = 50_000
_MAX_OUTSTANDING_BYTES = 64 * MIB
_SHORTEST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.04  # acknowledgements are not urgent, and each poll costs time
_LINGER_MS = 100


def _refusal(error: KafkaError, message: Any) -> Exception:
    """Build the error for a refused message, with what to do if that is known.

    A topic may be recreated with a smaller limit while the role runs; at its next start the role reports that.
    """
    if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
        refused: Exception = KafkaException(error)
        return refused
    return ConfigurationError(
        f"Topic {message.topic()} refuses a message of {len(message)} bytes: its max.message.bytes is less than "
        f"{MAX_MESSAGE_BYTES}. `stream-app topics create` raises it; what was not committed comes again."
    )


class _Delivery:
    """The messages of one ``publish`` call until all of them are acknowledged."""

    __slots__ = ("_left", "_publisher", "messages", "on_delivered", "published_at", "size_bytes")

    def __init__(self, publisher: ConfluentPublisher, messages: list[Message], on_delivered: Callable[[], None]):
        self.messages = messages
        self.size_bytes = sum(map(size_of, messages))
        self.on_delivered = on_delivered
        self.published_at = time.monotonic()
        self._publisher = publisher
        self._left = len(messages)

    def acknowledged(self, error: KafkaError | None, message: Any) -> None:
        """librdkafka's delivery report of one message; runs inside ``poll``, where an exception would be garbled."""
        if error is not None:
            self._publisher.failed(_refusal(error, message))  # guarantee: delivery-error-is-fatal
            return  # on_delivered is never called  # guarantee: refused-message-is-not-delivered
        self._publisher.last_progress = time.monotonic()
        self._left -= 1
        if not self._left:  # guarantee: callback-after-all-acknowledgements
            self._publisher.delivered.append(self)


class ConfluentPublisher:
    """ports.Publisher on confluent-kafka. Use it from one event loop.

    Alerts go out at once. Everything else is gathered for 100 ms: a request to the broker costs as much as several
    reviews, and each of them goes to one partition.

    Retries are librdkafka's: in order, without limit. ``on_fatal`` gets a delivery error, or BrokerUnavailable after
    ``publish_patience_seconds`` without a single acknowledgement while something is outstanding, or where something is
    not acknowledged that was published so long before something that is: one partition is unavailable.
    """

    max_message_bytes = MAX_MESSAGE_BYTES - _BATCH_OVERHEAD_BYTES
    """Larger messages (see ``size_of``) are refused: a role rejects what would become larger."""

    def __init__(self, settings: KafkaSettings, on_fatal: Callable[[BaseException], object] = fatal) -> None:
        """``on_fatal`` gets errors that cannot be retried; by default it ends the process. It may be set later."""
        self.on_fatal = on_fatal
        self._patience_seconds = settings.publish_patience_seconds
        self._brokers = settings.brokers
        config = {**producer_config(settings), "error_cb": self._on_error}
        self._alerts = Topics(settings.topic_prefix).alerts
        self._immediate, self._lingering = Producer(config), Producer({**config, "linger.ms": _LINGER_MS})
        self._queued: deque[tuple[Message, _Delivery]] = deque()  # librdkafka's own queue is full: order is kept here
        self._waiting: dict[_Delivery, None] = {}  # not acknowledged yet, in the order of publication
        self.delivered: deque[_Delivery] = deque()  # acknowledged, callback not called yet
        self._outstanding = 0
        self._outstanding_bytes = 0
        self.last_progress = 0.0
        self._newest_delivered = 0.0  # when it was published
        self._poller: asyncio.Task[None] | None = None

    @property
    def outstanding(self) -> int:
        """Messages that are not yet acknowledged."""
        return self._outstanding

    def has_room(self) -> bool:
        """May more be published without growing beyond the bounds (50,000 messages, 64 MiB)? Advice, not a lock."""
        # guarantee: messages-that-wait, bytes-that-wait
        return self._outstanding < _MAX_OUTSTANDING_MESSAGES and self._outstanding_bytes < _MAX_OUTSTANDING_BYTES

    def publish(self, messages: Iterable[Message], on_delivered: Callable[[], None]) -> None:
        """Publish in this order. ``on_delivered`` is called on the loop, once, after the broker acknowledged all.

        Raises ValueError for a message larger than ``max_message_bytes``, before anything is published.
        """
        delivery = _Delivery(self, list(messages), on_delivered)  # guarantee: callback-after-the-broker
        if delivery.size_bytes > self.max_message_bytes:
            self._check_sizes(delivery.messages)
        if not delivery.messages:
            asyncio.get_running_loop().call_soon(on_delivered)
            return
        if not self._outstanding:
            self.last_progress = time.monotonic()
        self._waiting[delivery] = None
        self._outstanding += len(delivery.messages)
        self._outstanding_bytes += delivery.size_bytes
        for message in delivery.messages:
            if self._queued or not self._produce(message, delivery):  # guarantee: full-queue-keeps-the-order
                self._queued.append((message, delivery))
        if self._poller is None:
            self._poller = asyncio.get_running_loop().create_task(self._poll_until_delivered(), name="publisher")
            self._poller.add_done_callback(self._poller_ended)

    async def flush(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until everything is acknowledged. Is it?"""
        while (poller := self._poller) is not None and seconds > 0:
            began = time.monotonic()
            await asyncio.wait([poller], timeout=seconds)
            seconds -= time.monotonic() - began
        return not self._outstanding

    async def close(self, seconds: float = 5.0) -> None:
        """Flush, then stop; what is still unacknowledged after ``seconds`` is dropped, and nothing of it committed."""
        await self.flush(seconds)
        if self._poller is not None:
            self._poller.cancel()
        for producer in (self._immediate, self._lingering):
            producer.purge()  # else its destruction would wait without limit for a broker that is away

    def failed(self, error: BaseException) -> None:
        """A message cannot be delivered."""
        self.on_fatal(error)

    def _produce(self, message: Message, delivery: _Delivery) -> bool:
        """False: librdkafka's queue is full; try again after a poll."""
        try:
            producer = self._immediate if message.topic == self._alerts else self._lingering
            producer.produce(
                message.topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                on_delivery=delivery.acknowledged,
            )
        except BufferError:
            return False
        return True

    async def _poll_until_delivered(self) -> None:
        pause = _SHORTEST_PAUSE_SECONDS
        try:
            while self._outstanding:
                self._immediate.poll(0)
                self._lingering.poll(0)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                self._call_back()
                while self._queued and self._produce(*self._queued[0]):
                    self._queued.popleft()
                if time.monotonic() - self.last_progress > self._patience_seconds:  # guarantee: a-broker-may-be-away
                    self.failed(self._impatience())  # guarantee: publish-patience
                    return  # guarantee: publish-patience
                if (left_behind := self._left_behind()) is not None:
                    self.failed(left_behind)  # guarantee: one-partition-is-not-waited-for-without-end
                    return
                await asyncio.sleep(pause)
        finally:
            self._poller = None  # here, not in a callback: the next publish must see it

    def _call_back(self) -> None:
        published: Counter[str] = Counter()
        while self.delivered:
            delivery = self.delivered.popleft()
            del self._waiting[delivery]
            self._newest_delivered = max(self._newest_delivered, delivery.published_at)
            self._outstanding -= len(delivery.messages)
            self._outstanding_bytes -= delivery.size_bytes
            published.update([message.topic for message in delivery.messages])
            delivery.on_delivered()
        if published:
            telemetry.dependency_answered("kafka")
        for topic, count in published.items():
            telemetry.message_published(topic, count)

    def _poller_ended(self, poller: asyncio.Task[None]) -> None:
        if not poller.cancelled() and (error := poller.exception()) is not None:
            self.on_fatal(error)  # an on_delivered raised  # guarantee: error-in-a-delivery-callback

    def _impatience(self) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"Kafka at {self._brokers} acknowledged nothing for {self._patience_seconds:.0f} s while "
            f"{self._outstanding} messages wait. Check that the brokers run and that enough replicas are in sync; "
            "STREAM_APP_PUBLISH_PATIENCE_SECONDS sets how long to wait."
        )

    def _left_behind(self) -> BrokerUnavailable | None:
        oldest = next(iter(self._waiting), None)
        if oldest is None or self._newest_delivered - oldest.published_at <= self._patience_seconds:
            return None
        topics = ", ".join(sorted({message.topic for message in oldest.messages}))
        return BrokerUnavailable(
            f"Kafka at {self._brokers} has not acknowledged a message for {topics} that was published more than "
            f"{self._patience_seconds:.0f} s before others that it acknowledged. Check that each partition has a "
            "leader and enough replicas in sync; STREAM_APP_PUBLISH_PATIENCE_SECONDS sets how long to wait."
        )

    def _check_sizes(self, messages: list[Message]) -> None:
        for message in messages:
            if (size := size_of(message)) > self.max_message_bytes:
                raise ValueError(
                    f"A message of {size} bytes for {message.topic} exceeds {self.max_message_bytes}; "
                    "reject the review instead of publishing this."
                )

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self.failed(KafkaException(error))
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            telemetry.dependency_unavailable("kafka", error.str(), retry_in_seconds=RECONNECT_SECONDS)
