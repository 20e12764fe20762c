"""All faults, by name: each module enters its own into the table."""

from tests.reliability.faults import (
    clock,
    installations,
    kafka,
    log,
    model,
    network,
    process,
    redis,
    topics,
    view,
    worker,
)
from tests.reliability.faults.table import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "clock",
    "installations",
    "kafka",
    "log",
    "model",
    "network",
    "process",
    "redis",
    "topics",
    "view",
    "worker",
]
