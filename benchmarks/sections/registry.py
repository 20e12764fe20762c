"""The sections of `make bench`, in the order of results.md. `--only` takes their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.sections import encoders, end_to_end, latency, look_ups, overhead, scaling, summaries
from benchmarks.sections.section import Measured, Options


@dataclass(frozen=True)
class Section:
    """``title``: its heading in results.md."""

    title: str
    measure: Callable[[Options], Measured]


SECTIONS = {
    "encoders": Section("The classifier, in every variant", encoders.measure),
    "summaries": Section("T5, against generate in batches of 16", summaries.measure),
    "end-to-end": Section(
        "End to end, against the same models fed from memory, and against one review at a time", end_to_end.measure
    ),
    "plumbing": Section("Overhead: everything but the models", overhead.measure),
    "latency": Section("Latency of alerts and of enriched reviews under load", latency.measure),
    "look-ups": Section("Look-ups through the API", look_ups.measure),
    "scaling": Section("Several processes of `enrich` on this machine", scaling.measure),
}
