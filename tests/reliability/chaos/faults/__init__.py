"""All faults, by name: each module enters its own into the table."""

from tests.reliability.chaos.faults import (
    clock,
    evicting,
    installations,
    kafka,
    log,
    model,
    network,
    process,
    receivers,
    recreated,
    redis,
    sentinel,
    strangers,
    topics,
    view,
    worker,
)
from tests.reliability.chaos.faults.table import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "clock",
    "evicting",
    "installations",
    "kafka",
    "log",
    "model",
    "network",
    "process",
    "receivers",
    "recreated",
    "redis",
    "sentinel",
    "strangers",
    "topics",
    "view",
    "worker",
]
