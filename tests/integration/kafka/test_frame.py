"""The frame on a real broker: nothing lost, nothing committed too early, whoever dies or joins."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from stream_app.records import RawRecord
from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until


def _values(records: list[RawRecord]) -> set[int]:
    return {int(record.value or b"-1") for record in records}


def test_sigterm_commits_exactly_what_was_published_and_exits_with_0(stage: Callable[[int], Stage]) -> None:
    s = stage(3)
    s.produce(range(3000))
    worker = s.start(work_seconds=0.05)
    wait_until(lambda: s.outputs() >= 500, 30, "500 outputs")

    assert worker.stop() == 0, worker.log()

    published = s.published()
    assert len(worker.events("stopped")) == 1
    assert s.committed() == _last_published_plus_one(published)


def _last_published_plus_one(published: list[RawRecord]) -> dict[int, int]:
    last: dict[int, int] = {}
    for record in published:
        partition, offset, *_ = dict(record.headers)["from"].split()
        last[int(partition)] = max(last.get(int(partition), 0), int(offset) + 1)
    return last
