"""What the batcher does when a text, the device, or whoever takes the results fails."""

from __future__ import annotations

import threading
import time

import pytest

from stream_app.models import watchdog
from stream_app.models.bisection import DeviceBroken
from stream_app.models.watchdog import DeviceHung
from stream_app.ports import ModelFailed
from stream_app.records import Scores
from tests.unit.models.batcher_rig import Rig, alive
from tests.waiting import wait_until


def test_only_the_guilty_text_of_a_failing_run_fails(rig: Rig) -> None:
    rig.model.fails_on = lambda text: "poison" in text
    rig.submit(*(f"text {number}" for number in range(20)), "poison pill")
    results = rig.results(21)
    failed = {tag: result for tag, result in results.items() if isinstance(result, ModelFailed)}
    assert failed == {"poison pill": ModelFailed("model_failed", "RuntimeError: a text that fails, as asked for")}


def test_a_text_that_cannot_be_tokenised_fails_alone(rig: Rig) -> None:
    rig.model.cannot_tokenize = lambda text: "poison" in text
    rig.submit(*(f"text {number}" for number in range(20)), "poison pill")
    results = rig.results(21)
    assert [tag for tag, result in results.items() if isinstance(result, ModelFailed)] == ["poison pill"]


def test_a_broken_device_is_fatal_and_rejects_no_text(rig: Rig) -> None:
    rig.model.fails_on = lambda text: True
    rig.model.canary_passes = False
    rig.submit("good", "fine")
    assert isinstance(rig.error(), DeviceBroken)
    assert rig.done == []


def test_out_of_memory_halves_the_runs_and_loses_nothing(rig: Rig) -> None:
    rig.model.memory_tokens = 20
    rig.submit(*(f"text number {number}" for number in range(64)))
    results = rig.results(64)
    assert all(isinstance(result, Scores) for result in results.values())
    assert all(sum(run) <= 20 for run in rig.model.completed)


def test_a_text_too_large_for_the_memory_fails_alone(rig: Rig) -> None:
    rig.model.memory_tokens = 20
    rig.submit("word " * 30, "good")
    failed = [tag for tag, result in rig.results(2).items() if isinstance(result, ModelFailed)]
    assert failed == ["word " * 30]


def test_a_hung_device_is_fatal() -> None:
    rig = Rig(hang_seconds=0.05)
    rig.model.gate.clear()
    rig.batcher.start()
    rig.submit("good")
    assert isinstance(rig.error(), DeviceHung)
    rig.batcher.stop()
    rig.model.gate.set()


def test_hung_tokenizer_is_fatal() -> None:
    rig = Rig(hang_seconds=0.05)
    let_go = threading.Event()
    rig.model.cannot_tokenize = lambda text: not let_go.wait()
    rig.batcher.start()
    rig.submit("good")
    try:
        error = rig.error()
    finally:
        let_go.set()  # a thread that hangs keeps Python from ending
        rig.batcher.stop()
    assert isinstance(error, DeviceHung)
    assert "tokenizing" in str(error)


def test_a_process_that_was_stopped_for_long_does_not_take_its_device_for_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    """It computed nothing meanwhile; only what the watch itself saw pass counts."""
    monkeypatch.setattr(watchdog, "_INTERVAL_SECONDS", 0.02)
    rig = Rig(hang_seconds=60.0)
    rig.model.gate.clear()
    rig.batcher.start()
    rig.submit("good")
    wait_until(lambda: bool(rig.started), 30, "the run did not begin")
    clock = time.monotonic
    monkeypatch.setattr("stream_app.models.watchdog.time.monotonic", lambda: clock() + 3600)
    time.sleep(0.3)  # the watch looks several times
    rig.model.gate.set()
    rig.results(1)
    rig.batcher.stop()


def divide_by_zero(results: object) -> None:
    raise ZeroDivisionError


def test_an_error_of_whoever_takes_the_results_is_fatal() -> None:
    rig = Rig()
    rig.batcher._on_done = divide_by_zero
    rig.batcher.start()
    rig.submit("good")
    assert isinstance(rig.error(), ZeroDivisionError)
    rig.batcher.stop()


def test_nothing_is_reported_after_a_stop() -> None:
    rig = Rig()
    rig.model.gate.clear()
    rig.batcher.start()
    rig.submit("begun")
    wait_until(lambda: bool(rig.started), 30, "the text did not begin")
    rig.batcher._on_done = divide_by_zero  # the caller is gone
    rig.batcher.stop()
    rig.model.gate.set()
    wait_until(lambda: not alive(rig.batcher), 30, "threads are still alive after a stop")
    assert rig.errors == []
