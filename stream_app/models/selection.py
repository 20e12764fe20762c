"""Chooses backend, precision and token budgets for a model on this machine: by measuring, once.

No backend is fast everywhere. What may be chosen is fp32, and those lower precisions that the model's card states to
keep its answers; of these the fastest is taken. A model that is not computed rightly by a backend is not offered to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice
from typing import Any, Generic, Protocol, TypeVar

import torch

from stream_app import telemetry
from stream_app.models import device
from stream_app.models.background import THREADS_CAN_YIELD
from stream_app.models.device import Backend, DeviceChoice, Precision
from stream_app.ports import ConfigurationError, OutOfDeviceMemory, TextModel
from stream_app.records import ModelName, Scores
from stream_app.settings import Settings

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

BATCH_SECONDS = 0.1
"""A worker's time for one batch of small runs, which all workers share. A review that goes first waits for what is left
of the batch on the device, and for what is prepared: one batch, two on a GPU.
"""

_RUN_SECONDS = 0.25  # a run that takes longer is not made larger; on a GPU it is where that still pays:
_STILL_PAYS = 1.2  # times the throughput of the size before

THREADS_OF_A_WORKER = 1
"""On a CPU one single-threaded worker per core beats one worker with all cores: small models leave little to split, and
threads of two models that wait for each other's turn burn the cores.
"""

_ENOUGH = 0.95  # of the best throughput: a smaller run answers sooner
_ROUNDS = 3  # of the sweep: neighbours on the same machine can take a third of its time for seconds
_RUN_SIZES: dict[str, tuple[int, ...]] = {
    "cpu": (256, 512, 1024, 2048),
    "cuda": (1024, 4096, 16384, 32768, 65536, 131072, 262144),
}
_SENTENCE = "The zip broke after two days and the shop did not answer, which is a pity because I liked the colour. "
_AUTOTUNE_TEXTS = [_SENTENCE * times for times in (1, 2, 3, 4, 6, 10)]  # of about 25 to 250 tokens
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


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens one run may hold, and the throughput that this follows from: of one worker, on a CPU beside the
    others.
    """

    micro_batch_tokens: int
    tokens_per_second: float

    @property
    def batch_tokens(self) -> int:
        """How many tokens one batch may hold."""
        return max(self.micro_batch_tokens, self._soon)

    @property
    def _soon(self) -> int:
        return int(self.tokens_per_second * BATCH_SECONDS)

    def for_low_latency(self, device: str, *, packs: bool) -> Budget:
        """For answers that alerts wait for. Texts of mixed lengths hardly ever fill a large run without padding, so
        smaller batches cost a model that does not pack next to nothing. One that packs cuts a batch into equal runs: a
        small one left over is dear on a CPU, which reads all weights for each.
        """
        if not packs:
            return replace(self, micro_batch_tokens=min(self.micro_batch_tokens, self._soon))
        runs = self.batch_tokens // self.micro_batch_tokens
        return replace(self, micro_batch_tokens=-(-self.batch_tokens // runs)) if device == "cpu" else self


@dataclass(frozen=True, slots=True)
class Selected(Generic[Result]):
    """The model on its device, how, and with which budgets."""

    model: TextModel[Result]
    choice: DeviceChoice
    budget: Budget


def select(found: ModelSource[Any], settings: Settings, workers: int, *, background: bool = False) -> Selected[Any]:
    """The fastest of what may be chosen. The first time on a machine each candidate is measured for some seconds.

    ``background``: its threads are to yield to the others of this process, where they can: the choice says so.

    Raises ConfigurationError where the settings name what this device or model can't do.
    """
    choices = candidates(found, settings, workers)
    if len(choices) == 1:
        return _selected(found, choices[0], background)
    by_name = {f"{one.backend} {one.precision}": one for one in choices}
    where = f"{choices[0].device} {choices[0].threads} times {workers}"
    key = f"tokens per second {where} {found.key} of {', '.join(by_name)}"

    def measure() -> dict[str, float]:
        with device.measuring():
            known: dict[str, float] | None = device.recalled(key)  # another process was faster
            return known or _rates(found, by_name)

    rates: dict[str, float] = measure() if _is_unknown(found) else device.remembered(key, measure)
    best = max(rates, key=lambda one: rates[one])
    others = ", ".join(
        f"{name} {rate:,.0f}" for name, rate in sorted(rates.items(), key=lambda r: -r[1]) if name != best
    )
    reason = f"{best}, because it computes {rates[best]:,.0f} tokens/s a worker ({others})"
    return _selected(found, replace(by_name[best], reason=f"{choices[0].reason}; {reason}"), background)


def _selected(found: ModelSource[Any], choice: DeviceChoice, background: bool) -> Selected[Any]:
    model = found.on(choice)
    budget = measure_budget(model, choice, found.key)
    if background and THREADS_CAN_YIELD and choice.backend == "ctranslate2":  # torch computes in Python's threads
        choice = replace(choice, background=True)
        model = found.on(choice)  # once more: what was measured, and is remembered, yielded to nobody
    if choice.device == "cuda":
        _warm_up(model, budget.micro_batch_tokens)
    return Selected(model, choice, budget)


def _warm_up(model: TextModel[Any], most_tokens: int) -> None:
    """A GPU's libraries load the kernels of a size when it comes first: up to a second, which no review should wait."""
    texts = model.tokenize(_AUTOTUNE_TEXTS)
    with suppress(OutOfDeviceMemory):  # another process has its share now; a run that does not fit is halved
        for size in _RUN_SIZES["cuda"]:
            if size <= most_tokens:
                _timed(model, texts, size)
    device.give_back_memory()


def _rates(found: ModelSource[Any], choices: Mapping[str, DeviceChoice]) -> dict[str, float]:
    """Tokens per second of each candidate that computes rightly. Raises ConfigurationError where none does.

    The candidates take turns: neighbours that take the machine's time for some seconds take a round of each, and not
    all rounds of one, which would be judged by that for ever.
    """
    some = next(iter(choices.values()))
    reference: Any = found.on(replace(some, backend="torch", precision="fp32"))
    model: Any = None
    autotunes = {name: _Autotune(choice) for name, choice in choices.items()}
    with _together(_swept_workers(some)) as on_all:
        for number in range(_ROUNDS):
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
            device.remember(_budget_key(choices[name], found.key), asdict(budget))
    return {name: budget.tokens_per_second for name, budget in budgets.items()}


def _is_unknown(found: ModelSource[Any]) -> bool:
    """Weights without a hash: another model may have the same name."""
    return found.name.revision == "unknown"


def candidates(found: ModelSource[Any], settings: Settings, workers: int) -> list[DeviceChoice]:
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
            chosen.remove(("torch", "bf16"))  # without units for it one run takes seconds
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
    expected, found = (one.run(one.tokenize(_AUTOTUNE_TEXTS)) for one in (reference, model))
    if isinstance(expected[0], Scores):
        most = _MOST_APART[precision]
        return all(
            abs(before.negative - now.negative) <= most and abs(before.positive - now.positive) <= most
            for before, now in zip(expected, found, strict=True)
        )
    return precision != "fp32" or expected == found


def measure_budget(model: TextModel[Any], choice: DeviceChoice, key: str = "") -> Budget:
    """Times the model on runs of growing size; the smallest that is nearly as fast as the best becomes the budget.

    Takes some seconds, once per machine, model (``key``; by default its name and revision) and choice.
    """

    def measure() -> dict[str, Any]:
        autotune = _Autotune(choice)
        with _together(_swept_workers(choice)) as on_all:
            for _ in range(_ROUNDS):
                autotune.round(model, on_all)
        return asdict(autotune.budget())

    if model.name.revision == "unknown":
        return Budget(**measure())
    return Budget(**device.remembered(_budget_key(choice, key or f"{model.name.name} {model.name.revision}"), measure))


def _budget_key(choice: DeviceChoice, key: str) -> str:
    where = f"{choice.device} {choice.threads} times {_swept_workers(choice)}"
    return f"run {where} {choice.backend} {choice.precision} {key}"


def _swept_workers(choice: DeviceChoice) -> int:
    """On a CPU all at once, as they will be used: they share caches, clocks and the interpreter's lock."""
    return choice.workers if choice.device == "cpu" else 1


class _Autotune:
    """The throughput of a choice by the size of a run: the best of the rounds."""

    def __init__(self, choice: DeviceChoice) -> None:
        self._on_cpu = choice.device == "cpu"
        self._sizes = _RUN_SIZES[choice.device]
        self._rates: dict[int, float] = {}
        self._rounds = 0

    def round(self, model: TextModel[Any], on_all: _OnAll) -> None:
        """Time ``model``, which is one of the choice, once more; ``on_all``: on the workers that are timed.

        Raises OutOfDeviceMemory where not even the smallest run fits; what earlier rounds measured stays.
        """
        # other lengths each time: a real run hardly ever has the shape of one before, and oneDNN compiles for each;
        # a packed run seen before would look faster than any that comes
        texts = model.tokenize([text + " and so on" * self._rounds for text in _AUTOTUNE_TEXTS])
        self._rounds += 1
        on_all(lambda: model.run(texts[:1]))
        rate = 0.0
        for size in self._sizes:
            try:
                tokens, seconds = _timed(model, texts, size, on_all)
            except OutOfDeviceMemory:
                if size == self._sizes[0]:
                    raise
                self._sizes = tuple(one for one in self._sizes if one < size)
                self._rates = {one: rate for one, rate in self._rates.items() if one < size}
                break
            rate, before = tokens / seconds, rate
            self._rates[size] = max(self._rates.get(size, 0.0), rate)
            if seconds > _RUN_SECONDS and (self._on_cpu or rate < _STILL_PAYS * before):
                break

    def budget(self) -> Budget:
        """By the rounds so far, of which one at least raised nothing."""
        best = max(self._rates.values())
        micro_batch_tokens = min(size for size, rate in self._rates.items() if rate >= _ENOUGH * best)
        return Budget(micro_batch_tokens, self._rates[micro_batch_tokens])


def _tokens(texts: Sequence[Any]) -> int:
    return sum(one.length for one in texts)


_OnAll = Callable[[Callable[[], object]], object]
"""Calls what it is given in each of some threads at the same time, and returns when all have done it."""


@contextmanager
def _together(workers: int) -> Iterator[_OnAll]:
    """The same threads each time: what a library keeps for a thread is there when it is timed. One: this thread."""
    if workers == 1:
        yield lambda call: call()
        return
    ready = threading.Barrier(workers)

    def one(call: Callable[[], object]) -> None:
        ready.wait()
        call()

    with ThreadPoolExecutor(workers) as pool:
        yield lambda call: list(pool.map(one, [call] * workers))


def _timed(
    model: TextModel[Any], texts: Sequence[Any], size: int, on_all: _OnAll = lambda call: call()
) -> tuple[int, float]:
    """(tokens, seconds) of these texts, again and again, as many as fit ``size`` tokens, in runs of that size; so many
    in each of the workers.
    """
    mix: list[Any] = []
    filled = 0
    for one in islice(cycle(texts), len(texts) * (2 + size // _tokens(texts))):
        if not mix or filled + one.length <= size:
            mix.append(one)
            filled += one.length
    cuts = model.plan.cut([one.length for one in mix], size)
    runs = [[mix[index] for index in run] for run in cuts]

    def compute() -> None:
        for run in runs:
            model.run(run)

    return filled, device.seconds_of(lambda: on_all(compute))
