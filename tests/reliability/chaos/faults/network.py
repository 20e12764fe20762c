"""The network to Redis and to Kafka: cut with a word, or without one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack

from tests.reliability.chaos.faults.table import NoEffect, fault
from tests.reliability.testbed.testbed import Testbed


def _network(name: str, inject: str, seconds: float, to: str) -> None:
    # a server that vanished silently is noticed by the clients' own time-outs only
    @fault(to, f"network {name}", seconds, stall_seconds=8.0 if inject == "blackhole" else 5.0)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        proxies = [testbed.store.proxy] if to == "redis" else testbed.kafka_proxies
        before = sum(proxy.faults_seen.total for proxy in proxies)
        with ExitStack() as healed:
            for proxy in proxies:
                healed.callback(proxy.heal)
                getattr(proxy, inject)()
            yield
        if sum(proxy.faults_seen.total for proxy in proxies) == before:
            raise NoEffect(f"no connection met the cut network to {to}")


for _to in ("redis", "kafka"):
    _network("cut", "cut", 2.0, _to)
    _network("silent", "blackhole", 4.0, _to)
