"""Times a model on micro-batches of growing size, to find the token budgets that suit it on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice
from typing import Any

from stream_app.models import device, measurement_cache
from stream_app.models.device import DeviceChoice
from stream_app.ports import OutOfDeviceMemory, TextModel

BATCH_SECONDS = 0.1
"""A worker's time for one batch of small runs, which all workers share. A review that goes first waits for what is left
of the batch on the device, and for what is prepared: one batch, two on a GPU.
"""

_RUN_SECONDS = 0.25  # a run that takes longer is not made larger; on a GPU it is where that still pays:
_STILL_PAYS = 1.2  # times the throughput of the size before

_ENOUGH = 0.95  # of the best throughput: a smaller run answers sooner
ROUNDS = 3  # of the autotune: neighbours on the same machine can take a third of its time for seconds
_RUN_SIZES: dict[str, tuple[int, ...]] = {
    "cpu": (256, 512, 1024, 2048),
    "cuda": (1024, 4096, 16384, 32768, 65536, 131072, 262144),
}
_SENTENCE = "The zip broke after two days and the shop did not answer, which is a pity because I liked the colour. "
TEXTS = [_SENTENCE * times for times in (1, 2, 3, 4, 6, 10)]  # of about 25 to 250 tokens


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


def measure_budget(model: TextModel[Any], choice: DeviceChoice, key: str = "") -> Budget:
    """Times the model on runs of growing size; the smallest that is nearly as fast as the best becomes the budget.

    Takes some seconds, once per machine, model (``key``; by default its name and revision) and choice.
    """

    def measure() -> dict[str, Any]:
        autotune = Autotune(choice)
        with together(measured_workers(choice)) as on_all:
            for _ in range(ROUNDS):
                autotune.round(model, on_all)
        return asdict(autotune.budget())

    if model.name.revision == "unknown":
        return Budget(**measure())
    return Budget(
        **measurement_cache.remembered(budget_key(choice, key or f"{model.name.name} {model.name.revision}"), measure)
    )


def warm_up(model: TextModel[Any], most_tokens: int) -> None:
    """A GPU's libraries load the kernels of a size when it comes first: up to a second, which no review should wait."""
    texts = model.tokenize(TEXTS)
    with suppress(OutOfDeviceMemory):  # another process has its share now; a run that does not fit is halved
        for size in _RUN_SIZES["cuda"]:
            if size <= most_tokens:
                _timed(model, texts, size)
    device.give_back_memory()


def budget_key(choice: DeviceChoice, key: str) -> str:
    where = f"{choice.device} {choice.threads} times {measured_workers(choice)}"
    return f"run {where} {choice.backend} {choice.precision} {key}"


def measured_workers(choice: DeviceChoice) -> int:
    """On a CPU all at once, as they will be used: they share caches, clocks and the interpreter's lock."""
    return choice.workers if choice.device == "cpu" else 1


class Autotune:
    """The throughput of a choice by the size of a run: the best of the rounds."""

    def __init__(self, choice: DeviceChoice) -> None:
        self._on_cpu = choice.device == "cpu"
        self._sizes = _RUN_SIZES[choice.device]
        self._rates: dict[int, float] = {}
        self._rounds = 0

    def round(self, model: TextModel[Any], on_all: OnAll) -> None:
        """Time ``model``, which is one of the choice, once more; ``on_all``: on the workers that are timed.

        Raises OutOfDeviceMemory where not even the smallest run fits; what earlier rounds measured stays.
        """
        # other lengths each time: a real run hardly ever has the shape of one before, and oneDNN compiles for each;
        # a packed run seen before would look faster than any that comes
        texts = model.tokenize([text + " and so on" * self._rounds for text in TEXTS])
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


OnAll = Callable[[Callable[[], object]], object]
"""Calls what it is given in each of some threads at the same time, and returns when all have done it."""


@contextmanager
def together(workers: int) -> Iterator[OnAll]:
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
    model: TextModel[Any], texts: Sequence[Any], size: int, on_all: OnAll = lambda call: call()
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
