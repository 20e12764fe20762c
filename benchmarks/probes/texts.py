"""What `enrich` hands to the models for the reviews of a workload."""

from __future__ import annotations

import time

from benchmarks.load.workload import Workload
from stream_app import contract
from stream_app.records import RawRecord, Review
from stream_app.settings import Settings
from stream_app.steps import prepare


def prepared_texts(work: Workload, settings: Settings) -> list[prepare.Prepared]:
    """What enrich would hand to the models."""
    prepared = []
    for number, line in enumerate(work.lines):
        record = RawRecord("bench", 0, number, time.time_ns() // 1_000_000, line.key, line.value)
        review = contract.decode_review(
            record,
            now_ms=record.timestamp_ms,
            max_future_ms=settings.max_future_seconds * 1000,
            max_text_characters=settings.max_text_characters,
        )
        assert isinstance(review, Review), review
        ready = prepare.prepare(review, None)
        assert isinstance(ready, prepare.Prepared), ready
        prepared.append(ready)
    return prepared
