"""What a device can do is measured once, remembered per machine, and never stands in the way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stream_app.models import autotune, device
from stream_app.models.autotune import Budget, measure_budget
from stream_app.models.device import DeviceChoice, choose_device
from stream_app.ports import ConfigurationError, OutOfDeviceMemory, Tokens
from stream_app.records import Scores
from stream_app.steps.batch_plan import Packed
from stream_app.testing.models import FakeClassifier


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "stream-app" / "measured.json"


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="STREAM_APP_DEVICE"):
        choose_device("tpu")


def test_a_missing_gpu_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="cuda is not available"):
        choose_device("cuda")


def test_a_precision_that_was_set_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "bf16_gain", lambda _: pytest.fail("measured although the precision was set"))
    assert choose_device("cpu", "bf16", threads=1).precision == "bf16"


def test_a_budget_is_measured_once(cpu: DeviceChoice, cache: Path) -> None:
    model = FakeClassifier()
    first = measure_budget(model, cpu)
    runs = len(model.completed)
    assert runs > 0
    assert measure_budget(model, cpu) == first
    assert len(model.completed) == runs
    assert cache.is_file()
    assert first.batch_tokens >= first.micro_batch_tokens > 0


def test_alerts_wait_for_a_tenth_of_a_second_unless_the_model_packs() -> None:
    """A model that packs needs its large runs; one that pads seldom fills them."""
    measured = Budget(micro_batch_tokens=1024, tokens_per_second=4000.0)
    assert measured.batch_tokens == 1024
    padding = measured.for_low_latency("cpu", packs=False)
    assert (padding.micro_batch_tokens, padding.batch_tokens) == (400, 400)
    assert measured.for_low_latency("cpu", packs=True) == measured
    packing = Budget(micro_batch_tokens=256, tokens_per_second=4000.0).for_low_latency("cpu", packs=True)
    assert (packing.micro_batch_tokens, packing.batch_tokens) == (400, 400)
    several = Budget(micro_batch_tokens=256, tokens_per_second=10_000.0)
    assert several.for_low_latency("cpu", packs=True).micro_batch_tokens == 334  # three of the 1,000 tokens
    assert several.for_low_latency("cuda", packs=True) == several
    small = Budget(micro_batch_tokens=256, tokens_per_second=4000.0).for_low_latency("cpu", packs=False)
    assert (small.micro_batch_tokens, small.batch_tokens) == (256, 400)


def test_a_damaged_cache_is_measured_again(cpu: DeviceChoice, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text('{"half": ')
    assert measure_budget(FakeClassifier(), cpu).micro_batch_tokens > 0


def test_a_cache_that_cannot_be_written_is_done_without(
    cpu: DeviceChoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert measure_budget(FakeClassifier(), cpu).micro_batch_tokens > 0


def test_runs_that_do_not_fit_the_memory_are_not_chosen(cpu: DeviceChoice) -> None:
    assert measure_budget(FakeClassifier(memory_tokens=600), cpu).micro_batch_tokens <= 1024
    with pytest.raises(OutOfDeviceMemory):
        measure_budget(FakeClassifier(memory_tokens=30), cpu, "another")


def test_memory_that_runs_out_later_rules_out_that_size_and_all_larger_ones(
    cpu: DeviceChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then another process may have its share of the device's memory."""
    seen: list[int] = []

    def second_round_of_1024_is_too_large(model: Any, texts: Any, size: int, on_all: Any) -> tuple[int, float]:
        seen.append(size)
        if size == 1024 and seen.count(size) == 2:
            raise OutOfDeviceMemory("the device is full")
        return size, 0.1  # the larger, the faster

    monkeypatch.setattr(autotune, "_timed", second_round_of_1024_is_too_large)
    assert measure_budget(FakeClassifier(), cpu).micro_batch_tokens == 512


def test_a_neighbour_that_takes_the_time_of_one_run_does_not_decide(
    cpu: DeviceChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def stalled_at_first(model: Any, texts: Any, size: int, on_all: Any) -> tuple[int, float]:
        seen.append(size)
        return size, 1.0 if len(seen) == 1 else 0.1  # the larger, the faster

    monkeypatch.setattr(autotune, "_timed", stalled_at_first)
    assert measure_budget(FakeClassifier(), cpu).micro_batch_tokens == 2048


def test_a_budget_is_measured_with_all_workers_at_work(cpu: DeviceChoice) -> None:
    """One worker alone has the caches and the interpreter's lock for itself."""
    together, met = threading.Barrier(2), []

    class Meeting(FakeClassifier):
        def run(self, batch: Sequence[Tokens]) -> list[Scores]:
            together.wait(30)
            met.append(threading.current_thread())
            return super().run(batch)

    assert measure_budget(Meeting(), replace(cpu, workers=2)).micro_batch_tokens > 0
    assert len(set(met)) == 2


def test_long_runs_are_made_larger_while_that_pays(cpu: DeviceChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    """T5 on a GPU waits for Python: a run of many texts takes it no longer than one of few."""
    gpu = replace(cpu, device="cuda")
    monkeypatch.setattr(autotune, "_timed", lambda model, texts, size, on_all: (size, 0.4 if size <= 65536 else 0.9))
    assert measure_budget(FakeClassifier(), gpu).micro_batch_tokens == 65536

    seen: list[int] = []

    def in_proportion(model: Any, texts: Any, size: int, on_all: Any) -> tuple[int, float]:
        seen.append(size)
        return size, size / 500

    monkeypatch.setattr(autotune, "_timed", in_proportion)
    measure_budget(FakeClassifier(), gpu, "another")
    assert set(seen) == {1024, 4096}  # seconds a run, for nothing
    seen.clear()
    measure_budget(FakeClassifier(), cpu, "another")
    assert set(seen) == {256}


def test_a_run_is_timed_at_the_size_that_it_stands_for(cpu: DeviceChoice) -> None:
    model = FakeClassifier()
    model.plan = Packed()
    measure_budget(model, cpu)
    largest = [max(sum(run) for run in model.completed if sum(run) <= size) for size in (256, 512, 1024, 2048)]
    assert all(found > 0.8 * size for found, size in zip(largest, (256, 512, 1024, 2048), strict=True)), largest


@pytest.mark.parametrize(("gain", "expected"), [(0.01, "fp32"), (1.1, "fp32"), (3.0, "bf16")])
def test_bf16_is_chosen_where_it_is_measured_to_be_faster(
    gain: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "bf16_gain", lambda _: gain)
    choice = choose_device("cpu", threads=1)
    assert choice.precision == expected
    assert f"{gain:.1f} x" in choice.reason


def test_no_run_of_the_autotune_has_the_shape_of_one_before(cpu: DeviceChoice) -> None:
    """In bf16 a shape that was computed before is faster, and real runs hardly ever have one."""
    model = FakeClassifier()
    model.plan = Packed()

    measure_budget(model, cpu)

    shapes = list(map(sum, model.completed[1:]))
    assert len(shapes) > 4
    assert len(shapes) == len(set(shapes)), shapes
