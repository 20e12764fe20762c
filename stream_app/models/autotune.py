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
"""A worker's time for one batch of small micro-batches, which all workers share. A review of high priority waits for
the rest of the batch on the device, and for what is prepared: one batch, two on a GPU.
"""

_LONG_SECONDS = 0.25  # no larger size is tried after a micro-batch that takes longer; on a GPU unless it pays:
_STILL_PAYS = 1.2  # times the throughput of the previous size

_ENOUGH = 0.95  # of the best throughput: a smaller micro-batch answers sooner
ROUNDS = 3  # other load on the machine can take a third of its time for seconds
_SIZES: dict[str, tuple[int, ...]] = {
    "cpu": (256, 512, 1024, 2048),
    "cuda": (1024, 4096, 16384, 32768, 65536, 131072, 262144),
}
_SENTENCE = "The zip broke after two days and the shop did not answer, which is a pity because I liked the colour. "
TEXTS = [_SENTENCE * times for times in (1, 2, 3, 4, 6, 10)]  # of about 25 to 250 tokens


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens one micro-batch may hold, and the throughput it was chosen by: of one worker, on a CPU while the
    others compute too.
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
        """The budget where alerts wait for answers. Texts of mixed lengths seldom fill a large micro-batch without
        padding, so smaller batches cost a model that does not pack almost nothing. One that packs cuts a batch into
        equal micro-batches: a small remainder is expensive on a CPU, which reads all weights for each.
        """
        if not packs:
            return replace(self, micro_batch_tokens=min(self.micro_batch_tokens, self._soon))
        parts = self.batch_tokens // self.micro_batch_tokens
        return replace(self, micro_batch_tokens=-(-self.batch_tokens // parts)) if device == "cpu" else self


def measure_budget(model: TextModel[Any], choice: DeviceChoice, key: str = "") -> Budget:
    """Time the model on micro-batches of growing size. The smallest that is nearly as fast as the best is the budget.

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
    """Let a GPU's libraries load the kernels of each size: up to a second, which no review should wait for."""
    texts = model.tokenize(TEXTS)
    with suppress(OutOfDeviceMemory):  # another process has its share now; what does not fit is halved later
        for size in _SIZES["cuda"]:
            if size <= most_tokens:
                _timed(model, texts, size)
    device.give_back_memory()


def budget_key(choice: DeviceChoice, key: str) -> str:
    where = f"{choice.device} {choice.threads} times {measured_workers(choice)}"
    return f"run {where} {choice.backend} {choice.precision} {key}"


def measured_workers(choice: DeviceChoice) -> int:
    """On a CPU all at once, as they will work: they share caches, clock rates and the interpreter's lock."""
    return choice.workers if choice.device == "cpu" else 1


class Autotune:
    """The throughput of a choice by the size of a micro-batch: the best of the rounds."""

    def __init__(self, choice: DeviceChoice) -> None:
        self._on_cpu = choice.device == "cpu"
        self._sizes = _SIZES[choice.device]
        self._rates: dict[int, float] = {}
        self._rounds = 0

    def round(self, model: TextModel[Any], on_all: OnAll) -> None:
        """Time ``model``, which is one of the choice, again. ``on_all``: on the workers that are timed.

        Raises OutOfDeviceMemory where not even the smallest size fits; what earlier rounds measured stays.
        """
        # other lengths each time: real micro-batches seldom repeat a shape, and oneDNN compiles for each; a packed one
        # that was seen before would look faster than real ones
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
            if seconds > _LONG_SECONDS and (self._on_cpu or rate < _STILL_PAYS * before):
                break

    def budget(self) -> Budget:
        """Return the budget by the rounds so far, of which at least one must have succeeded."""
        best = max(self._rates.values())
        micro_batch_tokens = min(size for size, rate in self._rates.items() if rate >= _ENOUGH * best)
        return Budget(micro_batch_tokens, self._rates[micro_batch_tokens])


def _tokens(texts: Sequence[Any]) -> int:
    return sum(one.length for one in texts)


OnAll = Callable[[Callable[[], object]], object]
"""Calls its argument in each of several threads at the same time; returns when all have returned."""


@contextmanager
def together(workers: int) -> Iterator[OnAll]:
    """Reuse the same threads: what a library keeps per thread is there when it is timed. One worker: this thread."""
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
    """Return (tokens, seconds) of computing these texts, repeated until ``size`` tokens are full, in micro-batches of
    that size; in each of the workers.
    """
    mix: list[Any] = []
    filled = 0
    for one in islice(cycle(texts), len(texts) * (2 + size // _tokens(texts))):
        if not mix or filled + one.length <= size:
            mix.append(one)
            filled += one.length
    cuts = model.plan.cut([one.length for one in mix], size)
    micro_batches = [[mix[index] for index in cut] for cut in cuts]

    def compute() -> None:
        for one in micro_batches:
            model.run(one)

    return filled, device.seconds_of(lambda: on_all(compute))
