"""Decompresses record batches within a bound: 16 KiB of zstd may stand for 512 MiB, and brokers do not mind.

aiokafka decompresses whatever a batch holds. A batch that takes all memory ends the process before any note names one
of its records, and ends every later one as well.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
from aiokafka import codec
from aiokafka.errors import CorruptRecordException
from aiokafka.record import default_records
from aiokafka.record._crecords import default_records as fast_default_records

MAX_BATCH_BYTES = 32 * 2**20
"""Of a batch when it is decompressed: sixteen times what the topic of reviews takes as one message. Each assigned
partition may hold one.
"""

_FIRST_BUFFER_BYTES = 1 * 2**20
_GROWTH = 8
_KEPT_BUFFER_BYTES = 8 * 2**20
_GZIP = 16 + zlib.MAX_WBITS
_XERIAL_HEADER_BYTES = 16


class BatchTooLarge(Exception):
    """A record batch that would take more than MAX_BATCH_BYTES."""


class _Buffer(threading.local):
    """Kept between batches: making one takes longer than filling it."""

    def __init__(self) -> None:
        self.space = bytearray(_FIRST_BUFFER_BYTES)


_buffer = _Buffer()


def _into_buffer(decompress_into: Callable[[Any, Any], int], payload: Any) -> bytes:
    space = _buffer.space
    while True:
        try:
            size = decompress_into(payload, space)
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise CorruptRecordException(f"a compressed batch cannot be read: {error}") from error
        else:
            return bytes(memoryview(space)[:size])
        if len(space) >= MAX_BATCH_BYTES:  # guarantee: batches-are-decompressed-within-a-bound
            raise BatchTooLarge
        # guarantee: batches-are-decompressed-within-a-bound
        space = bytearray(min(_GROWTH * len(space), MAX_BATCH_BYTES))
        if len(space) <= _KEPT_BUFFER_BYTES:
            _buffer.space = space


def gzip_decode(payload: Any) -> bytes:
    """As aiokafka's. Raises BatchTooLarge."""
    parts: list[bytes] = []
    left, room = bytes(payload), MAX_BATCH_BYTES
    while left:
        member = zlib.decompressobj(_GZIP)
        part = member.decompress(left, room + 1)
        room -= len(part)
        if room < 0:
            raise BatchTooLarge
        if not member.eof:
            raise EOFError("Compressed file ended before the end-of-stream marker was reached")
        parts.append(part)
        left = member.unused_data
    return b"".join(parts)


def snappy_decode(payload: Any) -> bytes:
    """As aiokafka's. Raises BatchTooLarge."""
    view = memoryview(payload)
    size = 0
    if codec._detect_xerial_stream(view):
        at = _XERIAL_HEADER_BYTES
        while at < len(view):
            [block] = struct.unpack_from("!i", view, at)
            at += 4
            size += cramjam.snappy.decompress_raw_len(view[at : at + block])
            at += block
    else:
        size = cramjam.snappy.decompress_raw_len(view)
    if size > MAX_BATCH_BYTES:
        raise BatchTooLarge
    return bytes(codec.snappy_decode(payload))


def lz4_decode(payload: Any) -> bytes:
    """As aiokafka's. Raises BatchTooLarge."""
    return _into_buffer(cramjam.lz4.decompress_into, payload)


def zstd_decode(payload: Any) -> bytes:
    """As aiokafka's. Raises BatchTooLarge."""
    return _into_buffer(cramjam.zstd.decompress_into, payload)


for _parser in (default_records, fast_default_records):
    for _decode in (gzip_decode, snappy_decode, lz4_decode, zstd_decode):
        assert hasattr(_parser, _decode.__name__)
        setattr(_parser, _decode.__name__, _decode)
