"""A batcher with a fake classifier, for tests of how it forms batches and of what it does when the model fails."""

from __future__ import annotations

import threading
from typing import Any

from stream_app.models.batcher import Batcher, BatcherOptions
from stream_app.ports import ModelFailed
from stream_app.records import Scores
from stream_app.testing.models import FakeClassifier
from tests.waiting import wait_until


class Rig:
    """A batcher with a fake classifier, and what it reported."""

    def __init__(self, **options: Any) -> None:
        self.model = FakeClassifier()
        self.started: list[list[Any]] = []
        self.done: list[tuple[Any, Scores | ModelFailed]] = []
        self.errors: list[BaseException] = []
        of_batcher = {name: options.pop(name) for name in ("unwanted", "high_priority", "yield_to") if name in options}
        budgets = {"micro_batch_tokens": 64, "batch_tokens": 128, "max_waiting_tokens": 10_000} | options
        self.batcher = Batcher(
            self.model,
            BatcherOptions(name="test", **budgets),
            on_start=self.started.append,
            on_done=self.done.extend,
            fatal=self.errors.append,
            **of_batcher,
        )

    def submit(self, *texts: str) -> None:
        self.batcher.submit([(text, text) for text in texts])

    def results(self, count: int) -> dict[Any, Scores | ModelFailed]:
        wait_until(lambda: len(self.done) >= count, 30, f"{count} results expected, {len(self.done)} came")
        assert not self.errors
        return dict(self.done)

    def error(self) -> BaseException:
        wait_until(lambda: bool(self.errors), 30, "nothing fatal was reported")
        return self.errors[0]


def texts(count: int) -> list[str]:
    return [f"text {number} " + "word " * (number * 7 % 50) for number in range(count)]


def alive(batcher: Batcher[Any]) -> list[threading.Thread]:
    return [thread for thread in batcher._threads if thread.is_alive()]
