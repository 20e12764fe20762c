"""Chooses backend, precision and token budgets for a model on this machine: by measuring, once.

No backend is fast everywhere. What may be chosen is fp32, and those lower precisions that the model's card states to
keep its answers; of these the fastest is chosen. A backend that computes a model wrongly is not used for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol, TypeVar

import torch

from stream_app import telemetry
from stream_app.models import device, measurement_cache
from stream_app.models.autotune import (
    ROUNDS,
    TEXTS,
    Autotune,
    budget_key,
    measure_budget,
    measured_workers,
    together,
    warm_up,
)
from stream_app.models.background import THREADS_CAN_YIELD
from stream_app.models.device import Backend, DeviceChoice, Precision
from stream_app.models.tuned import TunedModel
from stream_app.ports import ConfigurationError, OutOfDeviceMemory, TextModel
from stream_app.records import ModelName, Scores
from stream_app.settings import ModelSettings

Result_co = TypeVar("Result_co", covariant=True)

THREADS_OF_A_WORKER = 1
"""On a CPU one single-threaded worker per core beats one worker with all cores: small models leave little to split, and
threads of two models that wait for each other's turn burn the cores.
"""

_MOST_APART = {"fp32": 0.01, "bf16": 0.05, "int8": 0.25}
"""How far a probability may be from torch's in fp32. int8 is judged by its labels (its card); this finds nonsense."""

_CANDIDATES: dict[str, tuple[tuple[Backend, Precision], ...]] = {
    # the first is the one that the others are compared with
    "cpu": (("torch", "fp32"), ("ctranslate2", "fp32"), ("ctranslate2", "int8"), ("torch", "bf16")),
    "cuda": (("torch", "fp32"), ("torch", "bf16")),
}


class ModelSource(Protocol[Result_co]):
    """A model that was found but not yet put on a device: LoadedClassifier, SummarizerSource."""

    @property
    def name(self) -> ModelName: ...
    @property
    def key(self) -> str:
        """Names everything that its speed follows from."""
        ...

    @property
    def proven(self) -> frozenset[str]: ...
    @property
    def backends(self) -> frozenset[Backend]: ...
    @property
    def gpu_workers(self) -> int:
        """How many threads it takes to keep a GPU busy with it."""
        ...

    def on(self, choice: DeviceChoice) -> Any: ...


def select(
    found: ModelSource[Any],
    settings: ModelSettings,
    workers: int,
    *,
    alerts_wait: bool = False,
    background: bool = False,
) -> TunedModel[Any]:
    """Choose the fastest candidate. The first time on a machine each is measured for some seconds.

    ``alerts_wait``: for its answers, so batches are smaller. ``background``: its threads yield to the others of this
    process, where they can.

    Raises ConfigurationError where the settings name what this device or model can't do.
    """
    choices = candidates(found, settings, workers)
    if len(choices) == 1:
        return _tuned(found, choices[0], alerts_wait, background)
    by_name = {f"{one.backend} {one.precision}": one for one in choices}
    where = f"{choices[0].device} {choices[0].threads} times {workers}"
    key = f"tokens per second {where} {found.key} of {', '.join(by_name)}"

    def measure() -> dict[str, float]:
        with measurement_cache.measuring():
            known: dict[str, float] | None = measurement_cache.recalled(key)  # another process has measured it
            return known or _rates(found, by_name)

    rates: dict[str, float] = measure() if _is_unknown(found) else measurement_cache.remembered(key, measure)
    best = max(rates, key=lambda one: rates[one])
    others = ", ".join(
        f"{name} {rate:,.0f}" for name, rate in sorted(rates.items(), key=lambda r: -r[1]) if name != best
    )
    reason = f"{best}, because it computes {rates[best]:,.0f} tokens/s a worker ({others})"
    choice = replace(by_name[best], reason=f"{choices[0].reason}; {reason}")
    return _tuned(found, choice, alerts_wait, background)


def _tuned(found: ModelSource[Any], choice: DeviceChoice, alerts_wait: bool, background: bool) -> TunedModel[Any]:
    model = found.on(choice)
    budget = measure_budget(model, choice, found.key)
    if background and THREADS_CAN_YIELD and choice.backend == "ctranslate2":  # torch computes in Python's threads
        choice = replace(choice, background=True)
        model = found.on(choice)  # again: the model that was measured did not yield
    if choice.device == "cuda":
        warm_up(model, budget.micro_batch_tokens)
    if alerts_wait:
        budget = budget.for_low_latency(choice.device, packs=model.plan.packs)
    return TunedModel(
        model,
        budget.micro_batch_tokens,
        budget.batch_tokens,
        choice.workers,
        budget.tokens_per_second * choice.at_full_speed,
        choice.reason,
        choice.device,
        choice.background,
    )


def _rates(found: ModelSource[Any], choices: Mapping[str, DeviceChoice]) -> dict[str, float]:
    """Tokens per second of each candidate that computes rightly. Raises ConfigurationError where none does.

    The candidates take turns: other load on the machine that lasts some seconds slows a round of each, and not
    all rounds of one, whose result would stay wrong.
    """
    some = next(iter(choices.values()))
    reference: Any = found.on(replace(some, backend="torch", precision="fp32"))
    model: Any = None
    autotunes = {name: Autotune(choice) for name, choice in choices.items()}
    with together(measured_workers(some)) as on_all:
        for number in range(ROUNDS):
            for name in list(autotunes):
                try:
                    model = None  # before the next takes its place in the device's memory
                    model = found.on(choices[name])
                    if number or agrees(reference, model, choices[name].precision):
                        autotunes[name].round(model, on_all)
                        continue
                    why = "it computes something else than torch in fp32"
                except Exception as error:  # noqa: BLE001 - whatever a backend raises on a model it can't do: others can
                    if number and isinstance(error, (OutOfDeviceMemory, torch.OutOfMemoryError)):
                        continue  # another process took the memory meanwhile; the rounds before count
                    why = f"{type(error).__name__}: {error}"
                telemetry.backend_was_refused(found.name.name, name, why)
                del autotunes[name]
            reference = None
    if not autotunes:
        raise ConfigurationError(
            f"None of {', '.join(choices)} computes {found.name.name} here; the log above says why. "
            "Set STREAM_APP_BACKEND and STREAM_APP_PRECISION to auto."
        )
    budgets = {name: autotune.budget() for name, autotune in autotunes.items()}
    if not _is_unknown(found):
        for name, budget in budgets.items():
            measurement_cache.remember(budget_key(choices[name], found.key), asdict(budget))
    return {name: budget.tokens_per_second for name, budget in budgets.items()}


def _is_unknown(found: ModelSource[Any]) -> bool:
    """Weights without a hash: another model may have the same name."""
    return found.name.revision == "unknown"


def candidates(found: ModelSource[Any], settings: ModelSettings, workers: int) -> list[DeviceChoice]:
    """What the settings, the model and its card leave to choose from on this device; at least one.

    Raises ConfigurationError where nothing is left.
    """
    where, threads, words = device.find_device(settings.device, settings.threads or THREADS_OF_A_WORKER)
    possible = [
        (backend, precision)
        for backend, precision in _CANDIDATES[where]
        if backend in found.backends and settings.backend in ("auto", backend)
    ]
    if settings.precision == "auto":
        chosen = [one for one in possible if one[1] in found.proven]
        if where == "cpu" and ("torch", "bf16") in chosen and device.bf16_gain(where) < device.BF16_MUST_GAIN:
            chosen.remove(("torch", "bf16"))  # without units for it one micro-batch takes seconds
        chosen = chosen or possible
    else:
        chosen = [one for one in possible if one[1] == settings.precision]
    if not chosen:
        raise ConfigurationError(
            f"{found.name.name} cannot be computed on {where} with STREAM_APP_BACKEND={settings.backend} and "
            f"STREAM_APP_PRECISION={settings.precision}. Set both to auto, or one of: "
            + ", ".join(
                f"{backend} {precision}" for backend, precision in _CANDIDATES[where] if backend in found.backends
            )
        )
    workers = found.gpu_workers if where == "cuda" else workers
    return [DeviceChoice(where, precision, threads, words, backend, workers) for backend, precision in chosen]


def agrees(reference: TextModel[Any], model: TextModel[Any], precision: str) -> bool:
    """Does a backend compute what torch computes in fp32? Some fail silently on some machines.

    Scores are compared with a tolerance, summaries word for word in fp32; in lower ones the card is believed.
    """
    expected, found = (one.run(one.tokenize(TEXTS)) for one in (reference, model))
    if isinstance(expected[0], Scores):
        most = _MOST_APART[precision]
        return all(
            abs(before.negative - now.negative) <= most and abs(before.positive - now.positive) <= most
            for before, now in zip(expected, found, strict=True)
        )
    return precision != "fp32" or expected == found
