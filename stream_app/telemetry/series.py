"""The metrics that a process exposes: those of its role."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.registry import Collector

OF_ROLE = {
    "enrich": (
        "stream_app_key_mismatches",
        "stream_app_summaries_late",
        "stream_app_enrich_seconds",
        "stream_app_crash_loops",
        "stream_app_isolated_process_deaths",
        "stream_app_candidates_passed",
    ),
    "summarize": ("stream_app_products_not_judged",),
    "describe": ("stream_app_headlines_without_t5",),
}
"""Series without labels, which every process would show: those of one role. A test checks that each has one."""


class _OwnSeries(Collector):
    """What was counted in this process, and what its role counts though nothing happened yet."""

    def __init__(self, role: str) -> None:
        self._foreign = {name for other, names in OF_ROLE.items() if other != role for name in names}

    def collect(self) -> Iterator[Metric]:
        return (family for family in REGISTRY.collect() if family.samples and family.name not in self._foreign)


def registry_of(role: str) -> CollectorRegistry:
    """The series of a process that runs ``role`` (enrich, summarize, describe, notify or api), and no other's."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OwnSeries(role))
    return registry
