"""The testbeds that faults name: the servers of a round."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.reliability.chaos.faults.table import CLUSTER, ONE_OF_EACH, PAIR, SENTINEL, THREE_BROKERS
from tests.reliability.testbed.stores import ClusterStore, PairStore, SentinelStore, SingleStore
from tests.reliability.testbed.testbed import Testbed

TESTBEDS: dict[str, Callable[[Path], Testbed]] = {
    ONE_OF_EACH: lambda folder: Testbed(folder, SingleStore(folder / "store")),
    THREE_BROKERS: lambda folder: Testbed(folder, SingleStore(folder / "store"), brokers=3),
    PAIR: lambda folder: Testbed(folder, PairStore(folder / "store")),
    SENTINEL: lambda folder: Testbed(folder, SentinelStore(folder / "store")),
    CLUSTER: lambda folder: Testbed(folder, ClusterStore(folder / "store")),
}
