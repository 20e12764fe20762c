"""What may be chosen is chosen by measuring: only what keeps the answers, only what the device and settings allow."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import orjson
import pytest

from stream_app.models import autotune, device, measurement_cache, selection
from stream_app.models.background import THREADS_CAN_YIELD
from stream_app.models.classifier import find_classifier
from stream_app.models.device import Backend
from stream_app.models.precisions import proven_precisions
from stream_app.models.selection import candidates, select
from stream_app.ports import ConfigurationError, OutOfDeviceMemory
from stream_app.records import ModelName
from stream_app.settings import Settings
from stream_app.testing.models import FakeClassifier

Folder = Callable[[dict[int, str]], Path]
LABELS = {0: "negative", 1: "neutral", 2: "positive"}
GOOD = {"same_labels": 0.99, "accuracy_lost": 0.001, "reviews": 100}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(device, "bf16_gain", lambda _: 3.0)
    return tmp_path / "cache"


def card(folder: Path, **precisions: dict[str, Any]) -> str:
    (folder / "card.json").write_bytes(orjson.dumps({"precisions": precisions}))
    return str(folder)


def offered(model: str, **settings: Any) -> list[str]:
    chosen = candidates(find_classifier(model), Settings(_env_file=None, device="cpu", **settings), 2)
    return [f"{one.backend} {one.precision}" for one in chosen]


def test_model_without_a_card_is_computed_in_fp32(classifier_folder: Folder) -> None:
    """No card states that it keeps its labels in anything else."""
    assert offered(str(classifier_folder(LABELS))) == ["torch fp32", "ctranslate2 fp32"]


def test_what_the_card_states_to_keep_the_labels_is_offered(classifier_folder: Folder) -> None:
    model = card(classifier_folder(LABELS), int8=GOOD, bf16=GOOD)
    assert offered(model) == ["torch fp32", "ctranslate2 fp32", "ctranslate2 int8", "torch bf16"]


@pytest.mark.parametrize(
    "facts",
    [
        {"same_labels": 0.979, "accuracy_lost": 0.0},
        {"same_labels": 1.0, "accuracy_lost": 0.0031},
        {"same_summaries": 0.949},
    ],
)
def test_what_moves_too_many_answers_is_not_offered(tmp_path: Path, facts: dict[str, float]) -> None:
    card(tmp_path, int8=facts)
    assert proven_precisions(tmp_path) == {"fp32"}


@pytest.mark.parametrize(
    "content",
    ["", "{", "{}", "[]", '{"precisions": {}}', '{"precisions": null}', '{"precisions": {"int8": {"good": 1}}}'],
)
def test_card_that_says_nothing_proves_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "card.json").write_text(content)
    assert proven_precisions(tmp_path) == {"fp32"}


def test_bf16_is_not_tried_where_the_processor_has_no_units_for_it(
    classifier_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run would take seconds."""
    monkeypatch.setattr(device, "bf16_gain", lambda _: 0.01)
    assert "torch bf16" not in offered(card(classifier_folder(LABELS), bf16=GOOD))


def test_what_the_settings_name_is_taken_whatever_the_card_says(classifier_folder: Folder) -> None:
    model = str(classifier_folder(LABELS))
    assert offered(model, precision="int8") == ["ctranslate2 int8"]
    assert offered(model, backend="torch") == ["torch fp32"]
    assert offered(model, backend="torch", precision="bf16") == ["torch bf16"]


def test_what_no_backend_can_is_refused_with_what_can_be_set(classifier_folder: Folder) -> None:
    with pytest.raises(ConfigurationError, match=r"STREAM_APP_PRECISION=int8.*ctranslate2 int8"):
        offered(str(classifier_folder(LABELS)), backend="torch", precision="int8")


def test_fastest_is_chosen_and_remembered(classifier_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_classifier(card(classifier_folder(LABELS), int8=GOOD, bf16=GOOD))
    settings = Settings(_env_file=None, device="cpu")
    rates = {"torch fp32": 10.0, "ctranslate2 fp32": 20.0, "ctranslate2 int8": 40.0, "torch bf16": 30.0}
    loaded: list[str] = []
    on = type(found).on

    def noted(self: Any, choice: device.DeviceChoice) -> Any:
        loaded.append(f"{choice.backend} {choice.precision}")
        return on(self, choice)

    calls = itertools.count()

    def timed(_: object, __: object, size: int, ___: object) -> tuple[int, float]:
        slower = 10 if 6 <= next(calls) < 9 else 1  # neighbours: for as long as all rounds of one candidate take
        return size, slower * size / rates[loaded[-1]]

    monkeypatch.setattr(type(found), "on", noted)
    monkeypatch.setattr(autotune, "_timed", timed)
    chosen = select(found, settings, 2)
    assert ("ctranslate2 int8, because" in chosen.how, chosen.workers) == (True, 2)
    assert "torch bf16 30" in chosen.how
    assert next(calls) == 12, "four candidates, three rounds, of one size: as slow as these are"
    assert "torch fp32 10" in chosen.how
    assert "ctranslate2 fp32 20" in chosen.how, "each is measured by its undisturbed time"
    assert chosen.tokens_per_second == 2 * 40.0

    loaded.clear()
    monkeypatch.setattr(autotune, "_timed", None)
    assert select(found, settings, 2) == replace(chosen, model=ANY)
    assert loaded == ["ctranslate2 int8"], "only what was chosen is loaded the next time"


@pytest.mark.parametrize(("backend", "yields"), [("ctranslate2", THREADS_CAN_YIELD), ("torch", False)])
def test_model_in_the_background_is_measured_before_its_threads_yield(
    backend: Backend, yields: bool, classifier_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its speed is remembered for those, too, that do not. torch computes in Python's threads, which must not yield."""
    found = find_classifier(str(classifier_folder(LABELS)))
    made: list[bool] = []
    on = type(found).on

    def noted(self: Any, choice: device.DeviceChoice) -> Any:
        made.append(choice.background)
        return on(self, choice)

    def measure(_: object, choice: device.DeviceChoice, __: str) -> autotune.Budget:
        assert made == [False]
        return autotune.Budget(100, 10.0)

    monkeypatch.setattr(type(found), "on", noted)
    monkeypatch.setattr(selection, "measure_budget", measure)
    settings = Settings(_env_file=None, device="cpu", backend=backend, precision="fp32")

    assert select(found, settings, 1, background=True).background == yields
    assert made == [False, True][: 1 + yields]


def test_backend_that_computes_nonsense_is_not_chosen(
    classifier_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast it is."""
    found = find_classifier(card(classifier_folder(LABELS), int8=GOOD))
    on = type(found).on

    def sabotaged(self: Any, choice: device.DeviceChoice) -> Any:
        return FakeClassifier() if choice.precision == "int8" else on(self, choice)

    monkeypatch.setattr(type(found), "on", sabotaged)
    chosen = select(found, Settings(_env_file=None, device="cpu"), 1)
    assert "fp32, because" in chosen.how


def test_backend_that_cannot_do_the_model_leaves_it_to_the_others(
    classifier_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker starts with what works."""
    found = find_classifier(str(classifier_folder(LABELS)))
    on = type(found).on

    def fails(self: Any, choice: device.DeviceChoice) -> Any:
        if choice.backend == "ctranslate2":
            raise RuntimeError("unknown activation")
        return on(self, choice)

    monkeypatch.setattr(type(found), "on", fails)
    assert select(found, Settings(_env_file=None, device="cpu"), 1).how.find("torch fp32, because") > 0


@pytest.mark.parametrize(("times_that_fit", "chosen"), [(0, "fp32"), (1, "int8")])
def test_candidate_that_runs_out_of_memory_is_refused_or_judged_by_the_rounds_before(
    times_that_fit: int, chosen: str, classifier_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start goes on; another process may have taken the memory meanwhile."""
    found = find_classifier(card(classifier_folder(LABELS), int8=GOOD))
    on = type(found).on
    loaded: list[str] = []

    def full(_: object) -> Any:
        raise OutOfDeviceMemory

    def on_a_small_device(self: Any, choice: device.DeviceChoice) -> Any:
        loaded.append(choice.precision)
        model = on(self, choice)
        if loaded[-1] == "int8" and loaded.count("int8") > times_that_fit:
            model.run = full  # type: ignore[method-assign, assignment]
        return model

    monkeypatch.setattr(type(found), "on", on_a_small_device)
    monkeypatch.setattr(autotune, "_timed", lambda _, __, size, ___: (size, 1.0 if loaded[-1] == "int8" else 2.0))
    assert select(found, Settings(_env_file=None, device="cpu"), 1).how.count(f"{chosen}, because") == 1


def test_model_that_no_named_backend_can_do_is_refused_each_time(
    classifier_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With words, and without remembering that nothing works."""
    found = find_classifier(card(classifier_folder(LABELS), int8=GOOD))
    monkeypatch.setattr(selection, "agrees", lambda *_: False)
    settings = Settings(_env_file=None, device="cpu", backend="ctranslate2")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="STREAM_APP_BACKEND"):
            select(found, settings, 1)


def test_weights_without_a_hash_are_measured_each_time(
    classifier_folder: Folder, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """Another model may have the same name."""
    found = replace(find_classifier(str(classifier_folder(LABELS))), name=ModelName("classifier", "unknown"))
    select(found, Settings(_env_file=None, device="cpu"), 1)
    assert not (cache / "stream-app" / "measured.json").exists()


def test_processes_measure_one_after_another(cache: Path) -> None:
    """At the same time they would measure each other."""
    inside: list[str] = []

    def measure(name: str) -> None:
        with measurement_cache.measuring():
            inside.append(f"{name} in")
            time.sleep(0.05)
            inside.append(f"{name} out")

    threads = [threading.Thread(target=measure, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.split()[1] for entry in inside] == ["in", "out", "in", "out"]
