"""The shop's producers: one as shops have it, and one for what no client library lets a caller produce."""

from __future__ import annotations

import queue
import random
import threading
import time
from contextlib import suppress
from typing import Any

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tests.reliability.testbed.messages import Sent
from tests.reliability.testbed.raw_producer import RawInput, RawProducer, batch_of, strange_batch

_RAW_PATIENCE_SECONDS = 60.0


class Shop:
    """Sends the messages of a workload to the topics of one installation. ``brokers``: past every proxy."""

    def __init__(self, brokers: str, topic_prefix: str) -> None:
        self._prefix = topic_prefix
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "message.timeout.ms": 120_000,
                "reconnect.backoff.max.ms": 500,
                "queue.buffering.max.messages": 200_000,
                "log_level": 0,
            }
        )
        self._raw: queue.Queue[Sent] = queue.Queue()
        self._closing = threading.Event()
        threading.Thread(target=self._acknowledge, name="acknowledgements", daemon=True).start()
        threading.Thread(target=self._send_raw, name="raw producer", daemon=True).start()

    def send(self, sent: Sent) -> None:
        """Produce one message; the broker's answer is written into it. Waits while the producer's queue is full."""
        if sent.is_raw:
            self._raw.put(sent)
            return

        def acknowledged(error: object, message: Any) -> None:
            if error is None:
                sent.partition, sent.offset = message.partition(), message.offset()
                sent.acked_at = time.time()

        while True:
            try:
                self._producer.produce(
                    self._prefix + sent.topic, key=sent.key, value=sent.value, on_delivery=acknowledged
                )
                break
            except BufferError:
                time.sleep(0.1)  # the acknowledging thread makes room

    def flush(self, seconds: float) -> bool:
        """Was everything acknowledged within this time?"""
        until = time.monotonic() + seconds
        left = self._producer.flush(seconds)
        while self._raw.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.02)
        return not left and not self._raw.unfinished_tasks

    def close(self) -> None:
        self._closing.set()

    def _acknowledge(self) -> None:
        """In a thread of its own, so that acknowledgements have the time at which they came."""
        while not self._closing.wait(0.005):
            self._producer.poll(0.05)

    def _send_raw(self) -> None:
        while not self._closing.is_set():
            with suppress(queue.Empty):
                sent = self._raw.get(timeout=0.2)
                self._send_one_raw(sent)
                self._raw.task_done()

    def _send_one_raw(self, sent: Sent) -> None:
        """Again where the broker's answer is lost: a copy at an unknown place is rejected, or a duplicate."""
        record = RawInput(
            sent.key,
            sent.value,
            sent.headers,
            int(time.time() * 1000) if sent.timestamp_ms is None else sent.timestamp_ms,
        )
        topic, until = self._prefix + sent.topic, time.monotonic() + _RAW_PATIENCE_SECONDS
        while not self._closing.is_set():
            try:
                partition, leader = self._leader(topic)
                with RawProducer(leader) as producer:
                    batch = strange_batch([record], [sent.delta]) if sent.delta else batch_of([record], sent.codec)
                    sent.offset = producer.send_batch(topic, batch, partition=partition)
            except (OSError, KafkaException, KafkaError):
                if time.monotonic() > until:
                    return  # it counts as lost
                time.sleep(0.2)
            else:
                sent.partition, sent.acked_at = partition, time.time()
                return

    def _leader(self, topic: str) -> tuple[int, str]:
        """Any partition, and the address of the broker that leads it."""
        found = self._admin.list_topics(topic, timeout=5)
        number, partition = random.choice(list(found.topics[topic].partitions.items()))
        leader = found.brokers[partition.leader] if partition.leader >= 0 else None
        if leader is None:
            raise ConnectionError(f"partition {number} has no leader now")
        return number, f"{leader.host}:{leader.port}"
