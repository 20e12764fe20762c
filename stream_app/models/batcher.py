"""Keeps the device busy: has one batch ready when the device is free, and gives every text exactly one result.

    submit ─► waiting ─► tokeniser threads ─► a prepared batch each ─► runs ─► device threads ─► on_done, once per run

A batch is the oldest of those that go first and the oldest of the others; within it, sorting by length is free, since
nobody starves. While one batch computes, the next is tokenised. On a CPU nothing ever waits for a timer: the next batch
gathers while one computes. A GPU answers a few texts before the next arrive, and what every batch costs Python would be
paid for each of them; there a batch that is not full begins so long after the one before (``linger_seconds``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stream_app import telemetry
from stream_app.models.result_cache import ResultCache
from stream_app.ports import ModelFailed, OutOfDeviceMemory, TextModel, Tokens
from stream_app.steps.waiting import Waiting

Result = TypeVar("Result")

_BYTES_PER_TOKEN = 4  # of UTF-8: about a token of English, and one and a third Chinese characters
_WATCH_SECONDS = 1.0
_GLANCE_SECONDS = 0.1  # at whether we are stopped while another goes first


@dataclass(slots=True, eq=False)
class _Item:
    tag: Any
    text: str
    size: int  # estimated tokens
    first: bool  # does it overtake those that wait?
    tokens: Tokens | None = None


class DeviceHung(Exception):
    """A run, or tokenizing a batch, took longer than any may."""


class DeviceBroken(Exception):
    """The model fails on a text that it knows."""


class Batcher(Generic[Result]):
    """One model, its tokeniser threads and its device threads, which share the model's weights."""

    def __init__(
        self,
        model: TextModel[Result],
        *,
        on_done: Callable[[list[tuple[Any, Result | ModelFailed]]], None],
        fatal: Callable[[BaseException], None],
        micro_batch_tokens: int,
        batch_tokens: int,
        max_waiting_tokens: int,
        name: str,
        on_start: Callable[[list[Any]], None] = lambda tags: None,
        workers: int = 1,
        hang_seconds: float = 120.0,
        after: Batcher[Any] | None = None,
        beside: int = 0,
        unwanted: Callable[[Any], bool] = lambda tag: False,
        high_priority: Callable[[Any], bool] = lambda tag: False,
        cached_texts: int = 0,
        linger_seconds: float = 0.0,
        tokenizers: int = 1,
    ) -> None:
        """``on_start`` and ``on_done`` are called from the device threads, before and after each run; ``on_done`` also
        from ``submit``, for texts whose result is known: of the last ``cached_texts`` short ones.

        ``fatal`` is told when the device is broken, a thread died, or a run or tokenizing a batch took longer than
        ``hang_seconds``.
        ``micro_batch_tokens``: the size of one run; halved when the device's memory does not hold it.
        ``batch_tokens``: of one batch, estimated. ``max_waiting_tokens``: from then on ``has_room`` says no.
        ``after``: goes first on the same device: none of our runs begins while more than ``beside`` of its texts have
        no result. ``unwanted``: asked of a tag just before its run; if so it is forgotten. ``high_priority``: asked of
        each tag submitted; if so it overtakes the others, which still get a quarter of each batch.
        ``linger_seconds``: between the beginnings of two batches
        that are not full. ``tokenizers``: threads, each with a batch of its own; so many are prepared ahead.
        """
        self._model = model
        self._on_start, self._on_done, self._fatal = on_start, on_done, fatal
        self._micro_batch_tokens, self._batch_tokens = micro_batch_tokens, batch_tokens
        self._max_waiting_tokens = max_waiting_tokens
        self._was_full = False
        self._name = name
        self._hang_seconds = hang_seconds
        self._known: ResultCache[Result] = ResultCache(cached_texts)
        self._waiting: Waiting[_Item] = Waiting()
        self._unfinished = 0
        self._unfinished_tokens = 0
        self._after, self._beside = after, beside
        self._unwanted, self._high_priority = unwanted, high_priority
        self._linger_seconds = linger_seconds
        self._taken_at = 0.0
        # each wakes only those whom it concerns: who is woken for nothing takes the interpreter's lock from the others
        self._lock = threading.Lock()
        self._may_tokenize = threading.Condition(self._lock)
        self._may_compute = threading.Condition(self._lock)
        self._few_left = threading.Condition(self._lock)
        self._stopped = threading.Event()
        self._prepared: deque[list[list[_Item]]] = deque()  # the runs of the next batches
        self._being_tokenized = 0  # batches
        self._runs: deque[list[_Item]] = deque()  # of the batch that is on the device
        self._busy: dict[int, tuple[str, float]] = {}  # thread -> what it does in a library, and since when
        self._computing = [
            threading.Thread(target=self._guarded, args=(self._compute,), name=f"{name}-{number}")
            for number in range(workers)
        ]
        self._tokenizing = [
            threading.Thread(target=self._guarded, args=(self._tokenize,), name=f"{name}-tokens-{number}")
            for number in range(tokenizers)
        ]
        self._threads = [
            *self._computing,
            *self._tokenizing,
            threading.Thread(target=self._guarded, args=(self._watch,), name=f"{name}-watch"),
        ]

    def start(self) -> None:
        """Start the threads; they never keep the process alive."""
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def submit(self, items: Sequence[tuple[Any, str]]) -> None:
        """(tag, text) each; the tag comes back with the result. Any thread; never blocks."""
        new: list[_Item] = []
        known: list[tuple[Any, Result | ModelFailed]] = []
        for tag, text in items:
            if (result := self._known.get(text)) is not None:
                known.append((tag, result))
            else:
                new.append(_Item(tag, text, estimated_tokens(text), self._high_priority(tag)))
        if known:
            telemetry.results_came_from_cache(self._name, len(known))
            self._on_done(known)
        if not new:
            return
        with self._lock:
            self._waiting.add(new)
            self._unfinished += len(new)
            self._unfinished_tokens += sum(item.size for item in new)
            self._may_tokenize.notify_all()

    def has_room(self) -> bool:
        """May more be submitted? Once it was full, not before an eighth is free: who asks has its price, too.

        Any thread, without a lock: a glance, not a promise.
        """
        most = self._max_waiting_tokens - self._max_waiting_tokens // 8 if self._was_full else self._max_waiting_tokens
        self._was_full = self._waiting.tokens >= most
        return not self._was_full  # guarantee: tokens-that-wait

    @property
    def waiting_tokens(self) -> int:
        """About so many tokens wait. Any thread, without a lock."""
        return self._waiting.tokens

    @property
    def unfinished_tokens(self) -> int:
        """About so many tokens have no result yet, those on the device too. Any thread, without a lock."""
        return self._unfinished_tokens

    def is_cached(self, text: str) -> bool:
        """Would this text be answered at once, from an equal one?"""
        return self._known.get(text) is not None

    def drop_waiting(self, unwanted: Callable[[Any], bool]) -> list[Any]:
        """Forget what has not been taken into a batch yet; returns the tags of what was forgotten."""
        with self._lock:
            dropped = self._waiting.drop(lambda item: unwanted(item.tag))
            self._finished(dropped)
        return [item.tag for item in dropped]

    def wait_until_few(self, most: int, given_up: Callable[[], bool]) -> None:
        """Returns when at most ``most`` texts that were submitted are without their result, when stopped, or soon after
        ``given_up``.
        """
        with self._lock:
            while self._unfinished > most and not self._stopped.is_set() and not given_up():
                self._few_left.wait(_GLANCE_SECONDS)

    def _finished(self, items: Sequence[_Item]) -> None:
        """Under the lock: these have their result, or were forgotten."""
        self._unfinished -= len(items)
        self._unfinished_tokens -= sum(item.size for item in items)
        if self._unfinished < len(self._computing):  # who waits for few waits for one thread at least to be idle
            self._few_left.notify_all()

    def stop(self) -> None:
        """Forget what waits and let the threads end; ``join`` waits for their last runs."""
        with self._lock:
            self._stopped.set()
            self._waiting.clear()
            for waited_for in (self._may_tokenize, self._may_compute, self._few_left):
                waited_for.notify_all()

    def join(self, seconds: float = 3.0) -> None:
        """Wait until no run is in progress, at most so long. Blocks.

        A thread that is still inside a C++ library when Python ends takes the whole process down with SIGABRT.
        """
        until = time.monotonic() + seconds
        for thread in (*self._computing, *self._tokenizing):
            thread.join(max(0.0, until - time.monotonic()))

    # ---- the threads

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread of ours that ends by an exception ends the process: nobody would notice otherwise."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told to the one who ends the process
            if not self._stopped.is_set():  # whoever stopped us may not be there any more
                self._fatal(error)

    def _tokenize(self) -> None:
        while (taken := self._next_taken()) is not None:
            runs = self._runs_of(self._tokenized(taken))
            with self._lock:
                self._being_tokenized -= 1
                if runs:
                    self._prepared.append(runs)
                    self._may_compute.notify()
                else:
                    self._may_tokenize.notify_all()

    def _runs_of(self, batch: list[_Item]) -> list[list[_Item]]:
        """The batch cut into runs, those with texts that go first before the others."""
        plan = self._model.plan
        priority_lanes = [batch]
        if not plan.packs:  # a small run costs little: those that go first do not wait for others in theirs
            priority_lanes = [[item for item in batch if item.first == first] for first in (True, False)]
        runs = [
            [lane[index] for index in one]
            for lane in priority_lanes
            for one in plan.cut([_length(item) for item in lane], self._micro_batch_tokens)
        ]
        return sorted(runs, key=lambda run: not any(item.first for item in run))

    def _tokenized(self, items: list[_Item]) -> list[_Item]:
        """The items with their tokens, without those that cannot be tokenised: they have their result already."""
        try:
            with self._watched("tokenizing"):  # guarantee: hung-tokenizer-ends-the-process
                all_tokens = self._model.tokenize([item.text for item in items])
        except Exception as error:  # noqa: BLE001 - whatever a tokeniser raises: one result per text is kept
            if len(items) == 1:  # guarantee: tokenising-is-halved
                self._on_done(self._failed(items[0], error))
                with self._lock:
                    self._finished(items)
                return []
            half = len(items) // 2
            return self._tokenized(items[:half]) + self._tokenized(items[half:])
        for item, tokens in zip(items, all_tokens, strict=True):
            item.tokens = tokens
        return items

    def _next_taken(self) -> list[_Item] | None:
        """Texts for about one batch; waits for them, and until the last batch is on the device. None: stopped."""
        with self._lock:
            while not self._stopped.is_set():
                # guarantee: one-prefetched-batch
                if not self._waiting or len(self._prepared) + self._being_tokenized >= len(self._tokenizing):
                    self._may_tokenize.wait()
                elif (early := self._seconds_too_early()) > 0:
                    self._may_tokenize.wait(early)
                else:
                    self._taken_at = time.monotonic()
                    self._being_tokenized += 1
                    return self._waiting.take(self._batch_tokens)
            return None

    def _seconds_too_early(self) -> float:
        """Until a batch of what waits may begin."""
        if self._waiting.tokens >= self._batch_tokens:
            return 0.0
        return self._taken_at + self._linger_seconds - time.monotonic()

    def _compute(self) -> None:
        while (run := self._next_run()) is not None:
            if self._after is not None:
                self._after.wait_until_few(self._beside, self._stopped.is_set)
            if self._stopped.is_set():
                return
            if not (items := self._still_wanted(run)):
                continue
            self._on_start([item.tag for item in items])
            self._on_done(self._results(items))
            with self._lock:
                self._finished(items)

    def _next_run(self) -> list[_Item] | None:
        """The next run of the batch that the device threads share; waits for it. None: stopped."""
        with self._lock:
            while not self._stopped.is_set() and not self._runs:
                if self._prepared:
                    self._runs.extend(self._prepared.popleft())
                    self._may_tokenize.notify_all()
                    self._may_compute.notify(len(self._runs) - 1)
                else:
                    self._may_compute.wait()
            return None if self._stopped.is_set() else self._runs.popleft()

    def _still_wanted(self, items: list[_Item]) -> list[_Item]:
        """Those that nobody gave up meanwhile; the others get no result."""
        wanted: list[_Item] = []
        forgotten: list[_Item] = []
        for item in items:
            (forgotten if self._unwanted(item.tag) else wanted).append(item)
        if forgotten:
            with self._lock:
                self._finished(forgotten)
        return wanted

    def _results(self, items: list[_Item]) -> list[tuple[Any, Result | ModelFailed]]:
        """One result per item; a run that fails is halved until the guilty text is alone."""
        try:
            return list(zip([item.tag for item in items], self._run(items), strict=True))
        except OutOfDeviceMemory as error:
            if len(items) == 1:  # guarantee: out-of-memory-is-halved
                return self._failed(items[0], error)
            self._micro_batch_tokens = max(1, sum(map(_length, items)) // 2)
            telemetry.device_memory_ran_out(self._name, self._micro_batch_tokens)
        except Exception as error:  # noqa: BLE001 - whatever a model raises: one result per text is kept
            if len(items) == 1:  # guarantee: failing-batch-is-halved
                return self._failed(items[0], error)
        half = len(items) // 2
        return self._results(items[:half]) + self._results(items[half:])

    def _run(self, items: list[_Item]) -> list[Result]:
        began = time.monotonic()
        with self._watched("computing"):
            results = self._model.run([item.tokens for item in items if item.tokens is not None])
        for item, result in zip(items, results, strict=True):
            self._known.keep(item.text, result)
        lengths = [_length(item) for item in items]
        padding = self._model.plan.padding(lengths)
        telemetry.run_computed(self._name, len(items), sum(lengths) + padding, padding, time.monotonic() - began)
        return results

    def _failed(self, item: _Item, error: Exception) -> list[tuple[Any, Result | ModelFailed]]:
        """The text is to blame only if the device is sane: otherwise everything would be rejected."""
        if not self._model.canary():  # guarantee: canary-before-model-failed
            raise DeviceBroken(f"the {self._name} model fails on a text that it knows") from error
        return [(item.tag, ModelFailed("model_failed", f"{type(error).__name__}: {error}"[:500]))]

    @contextmanager
    def _watched(self, doing: str) -> Iterator[None]:
        """Around a call into a library that may never return: ``_watch`` ends the process then."""
        thread = threading.get_ident()
        self._busy[thread] = (doing, time.monotonic())
        try:
            yield
        finally:
            del self._busy[thread]

    def _watch(self) -> None:
        watched: dict[tuple[str, float], float] = {}  # a call, by when it began -> the seconds that we saw it last
        looked_at = time.monotonic()
        while not self._stopped.wait(_WATCH_SECONDS):
            now = time.monotonic()
            # a process that was stopped for a while, or whose machine slept, computed nothing meanwhile
            passed, looked_at = min(now - looked_at, 2 * _WATCH_SECONDS), now
            watched = {call: watched.get(call, 0.0) + passed for call in list(self._busy.values())}
            for (doing, _), seconds in watched.items():
                if seconds > self._hang_seconds:
                    raise DeviceHung(
                        f"the {self._name} model has been {doing} one batch for {self._hang_seconds:.0f} s"
                    )


def estimated_tokens(text: str) -> int:
    """About so many tokens a text has, before it is tokenised."""
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return 2 + size // _BYTES_PER_TOKEN


def _length(item: _Item) -> int:
    assert item.tokens is not None
    return item.tokens.length
