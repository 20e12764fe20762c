"""Reads a worker's metrics from outside, as Prometheus does."""

from __future__ import annotations

import random
import socket
import urllib.request
from contextlib import ExitStack

from prometheus_client.parser import text_string_to_metric_families

_SECONDS = 5.0
_CANDIDATES = range(20_000, 32_000)


def metric(port: int, name: str) -> float:
    """The sum of a metric's samples over their labels; 0 while nothing answers on the port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_SECONDS) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )


def partitions_assigned(port: int) -> int:
    """How many partitions the worker reads; 0 until it has loaded its models and joined."""
    return int(metric(port, "stream_app_partitions_assigned"))


def free_ports(count: int) -> int:
    """The first of ``count`` free ports in a row on 127.0.0.1. Nothing is reserved. Raises OSError for none."""
    for first in random.sample(_CANDIDATES, len(_CANDIDATES)):
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise OSError(f"no {count} ports in a row are free")
