"""Produces what no client library lets a caller produce: header names that are not UTF-8, any timestamp, any batch."""

from __future__ import annotations

import io
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
"""Compression codecs, as the attributes of a record batch number them."""

_SECONDS = 30.0
_CHECKSUM_AT, _CHECKED_FROM, _LAST_DELTA_AT, _HEADER_BYTES = 17, 21, 23, 61  # in a record batch of format 2


class RawInput(NamedTuple):
    """One record as its producer gives it; names of headers are bytes."""

    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
    timestamp_ms: int | None = None
    """None: now. What is older than the topic's retention is deleted when Kafka looks next, in the middle of a test."""


class _Name(str):
    """A header's name for aiokafka's builder, which asks it for its bytes."""

    raw: bytes

    def encode(self, *_: Any, **__: Any) -> bytes:
        return self.raw


def _name(raw: bytes) -> _Name:
    name = _Name()
    name.raw = raw
    return name


def batch_of(records: Iterable[RawInput], codec: int = NONE) -> bytes:
    """A record batch of format 2. Compression that gains nothing is left out."""
    builder = _DefaultRecordBatchBuilderPy(2, codec, False, -1, -1, -1, 2**31)
    for offset, record in enumerate(records):
        headers: list[Any] = [(_name(raw), value) for raw, value in record.headers]
        builder.append(offset, record.timestamp_ms, record.key, record.value, headers)
    return bytes(builder.build())


def strange_batch(records: Sequence[RawInput], deltas: Sequence[int], codec: int = NONE, attributes: int = 0) -> bytes:
    """A batch with a sound header and checksum, whose records have these offset deltas, and the first one these
    attributes (without compression). Kafka accepts it without compression.
    """
    builder = _DefaultRecordBatchBuilderPy(2, codec, False, -1, -1, -1, 2**31)
    for delta, record in zip(deltas, records, strict=True):
        builder.append(delta, record.timestamp_ms, record.key, record.value, [])
    batch = builder.build()
    batch[_LAST_DELTA_AT : _LAST_DELTA_AT + 4] = struct.pack(">i", len(records) - 1)
    if attributes:
        batch[_HEADER_BYTES + 1] = attributes
    return sealed(batch)


def sealed(batch: bytes | bytearray) -> bytes:
    """The batch with the checksum of what it holds now."""
    checksum = calc_crc32c(bytes(batch[_CHECKED_FROM:]))
    return bytes(batch[:_CHECKSUM_AT]) + struct.pack(">I", checksum) + bytes(batch[_CHECKED_FROM:])


class RawProducer:
    """A connection to a cluster of one broker. Raises aiokafka's errors for what the broker refuses."""

    def __init__(self, brokers: str) -> None:
        host, port = brokers.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), _SECONDS)
        self._number = 0

    def __enter__(self) -> RawProducer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, topic: str, records: Iterable[RawInput], *, partition: int = 0, codec: int = NONE) -> int:
        """Produce them as one batch with acks=all; the offset of the first."""
        return self.send_batch(topic, batch_of(records, codec), partition=partition)

    def send_batch(self, topic: str, batch: bytes, *, partition: int = 0) -> int:
        """Produce a batch as it is; the offset of its first record. Waits for a topic that was just made."""
        deadline = time.monotonic() + _SECONDS
        while True:
            offset, refusal = self._sent(topic, batch, partition)
            if refusal is None:
                return offset
            if not refusal.retriable or time.monotonic() > deadline:
                raise refusal(f"{topic}: a batch of {len(batch)} bytes")
            time.sleep(0.1)

    def _sent(self, topic: str, batch: bytes, partition: int) -> tuple[int, type[Any] | None]:
        self._number += 1
        body = ProduceRequest_v7(None, -1, int(1000 * _SECONDS), [(topic, [(partition, batch)])]).encode()
        client = b"raw"
        head = struct.pack(">hhih", 0, ProduceRequest_v7.API_VERSION, self._number, len(client)) + client
        self._socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        [size] = struct.unpack(">i", self._received(4))
        answer = io.BytesIO(self._received(size))
        answer.read(4)  # the request's number
        [(_, [(_, code, offset, *_rest)])] = ProduceRequest_v7.RESPONSE_TYPE.decode(answer).topics
        return int(offset), for_code(code) if code else None

    def _received(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionError("the broker closed the connection")
            parts += part
        return bytes(parts)
