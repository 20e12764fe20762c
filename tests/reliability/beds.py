"""The beds that faults name: what the system stands on in a round."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.reliability.bed import Bed
from tests.reliability.faults.table import CLUSTER, ONE_OF_EACH, PAIR, THREE_BROKERS
from tests.reliability.stores import ClusterStore, PairStore, SingleStore

BEDS: dict[str, Callable[[Path], Bed]] = {
    ONE_OF_EACH: lambda folder: Bed(folder, SingleStore(folder / "store")),
    THREE_BROKERS: lambda folder: Bed(folder, SingleStore(folder / "store"), brokers=3),
    PAIR: lambda folder: Bed(folder, PairStore(folder / "store")),
    CLUSTER: lambda folder: Bed(folder, ClusterStore(folder / "store")),
}
