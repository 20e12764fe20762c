"""Keeps the device busy: has one batch ready when the device is free, and gives every text exactly one result.

    submit ─► waiting ─► tokenizer threads ─► a prepared batch each ─► micro-batches ─► device threads ─► on_done

A batch is formed of the oldest texts of high priority and the oldest of the others. Within a batch texts may be sorted
by length, since none starves. While one batch computes, the next is tokenized. On a CPU nothing waits for a timer: the
next batch fills while one computes. A GPU answers a few texts before the next arrive, and Python pays by the batch:
there a batch that is not full begins ``linger_seconds`` after the one before.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from stream_app import telemetry
from stream_app.models.bisection import bisected, blamed
from stream_app.models.result_cache import ResultCache
from stream_app.models.watchdog import Watchdog
from stream_app.ports import ModelFailed, TextModel, Tokens
from stream_app.steps.waiting import Waiting

Result = TypeVar("Result")

_BYTES_PER_TOKEN = 4  # of UTF-8: about a token of English, and one and a third Chinese characters
_STOP_CHECK_SECONDS = 0.1  # while waiting for another batcher


@dataclass(frozen=True, slots=True, kw_only=True)
class BatcherOptions:
    """``name``: of the model, in metrics and errors. ``workers``: device threads. ``tokenizers``: threads, each with
    its own batch.

    ``micro_batch_tokens``: halved when the device's memory does not hold it. ``batch_tokens``: of one batch, estimated.
    ``max_waiting_tokens``: from then on ``has_room`` is False. ``hang_seconds``: of one micro-batch, or of tokenizing a
    batch. ``cached_texts``: short texts whose results are kept. ``linger_seconds``: between the beginnings of two
    batches that are not full. ``max_unfinished_ahead``: see ``yield_to`` of the Batcher.
    """

    name: str
    micro_batch_tokens: int
    batch_tokens: int
    max_waiting_tokens: int
    workers: int = 1
    tokenizers: int = 1
    hang_seconds: float = 120.0
    cached_texts: int = 0
    linger_seconds: float = 0.0
    max_unfinished_ahead: int = 0


@dataclass(slots=True, eq=False)
class _Item:
    tag: Any
    text: str
    size: int  # estimated tokens
    high_priority: bool
    tokens: Tokens | None = None


class Busy(Protocol):
    """What shares a device and goes first."""

    def wait_until_few(self, most: int, given_up: Callable[[], bool]) -> None:
        """Return when at most ``most`` texts have no result, when stopped, or soon after ``given_up``."""
        ...


class Batcher(Generic[Result]):
    """One model, its tokenizer threads and its device threads, which share the model's weights."""

    def __init__(
        self,
        model: TextModel[Result],
        options: BatcherOptions,
        *,
        on_done: Callable[[list[tuple[Any, Result | ModelFailed]]], None],
        fatal: Callable[[BaseException], None],
        on_start: Callable[[list[Any]], None] = lambda tags: None,
        unwanted: Callable[[Any], bool] = lambda tag: False,
        high_priority: Callable[[Any], bool] = lambda tag: False,
        yield_to: Busy | None = None,
    ) -> None:
        """``on_start`` and ``on_done`` are called from the device threads, before and after each micro-batch;
        ``on_done`` also from ``submit``, for texts whose result is cached.

        ``fatal`` is called when the device is broken or hangs, or a thread died. ``unwanted``: of a tag, just before
        its micro-batch; if so it gets no result. ``high_priority``: of each tag submitted; if so it overtakes the
        others, which still get a quarter of each batch. ``yield_to``: shares the device; none of our micro-batches
        begins while more than ``max_unfinished_ahead`` of its texts have no result.
        """
        self._model, self._options = model, options
        self._on_start, self._on_done, self._fatal = on_start, on_done, fatal
        self._unwanted, self._high_priority, self._yield_to = unwanted, high_priority, yield_to
        self._micro_batch_tokens = options.micro_batch_tokens
        self._was_full = False
        self._cache: ResultCache[Result] = ResultCache(options.cached_texts)
        self._waiting: Waiting[_Item] = Waiting()
        self._unfinished = 0
        self._unfinished_tokens = 0
        self._taken_at = 0.0
        # a condition per concern: a thread woken for nothing takes the interpreter's lock from the others
        self._lock = threading.Lock()
        self._may_tokenize = threading.Condition(self._lock)
        self._may_compute = threading.Condition(self._lock)
        self._few_left = threading.Condition(self._lock)
        self._stopped = threading.Event()
        self._prepared: deque[list[list[_Item]]] = deque()  # the micro-batches of the next batches
        self._being_tokenized = 0  # batches
        self._micro_batches: deque[list[_Item]] = deque()  # of the batch that is on the device
        self._watchdog = Watchdog(options.name, options.hang_seconds)
        name = options.name
        self._computing = [self._thread(self._compute, f"{name}-{n}") for n in range(options.workers)]
        self._tokenizing = [self._thread(self._tokenize, f"{name}-tokens-{n}") for n in range(options.tokenizers)]
        watching = self._thread(lambda: self._watchdog.watch(self._stopped), f"{name}-watch")
        self._threads = [*self._computing, *self._tokenizing, watching]

    def _thread(self, work: Callable[[], None], name: str) -> threading.Thread:
        """A thread that never keeps the process alive."""
        return threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, items: Sequence[tuple[Any, str]]) -> None:
        """Take (tag, text) each; the tag comes back with the result. Any thread; never blocks."""
        new: list[_Item] = []
        hits: list[tuple[Any, Result | ModelFailed]] = []
        for tag, text in items:
            if (result := self._cache.get(text)) is not None:
                hits.append((tag, result))
            else:
                new.append(_Item(tag, text, estimated_tokens(text), self._high_priority(tag)))
        if hits:
            telemetry.results_came_from_cache(self._options.name, len(hits))
            self._on_done(hits)
        if not new:
            return
        with self._lock:
            self._waiting.add(new)
            self._unfinished += len(new)
            self._unfinished_tokens += sum(item.size for item in new)
            self._may_tokenize.notify_all()

    def has_room(self) -> bool:
        """May more be submitted? Once full, only when an eighth is free, as each submission has its price.

        Any thread, without a lock: the answer may be outdated.
        """
        limit = self._options.max_waiting_tokens
        self._was_full = self._waiting.tokens >= (limit - limit // 8 if self._was_full else limit)
        return not self._was_full  # guarantee: tokens-that-wait

    @property
    def waiting_tokens(self) -> int:
        """Estimated tokens that wait. Any thread, without a lock."""
        return self._waiting.tokens

    @property
    def unfinished_tokens(self) -> int:
        """Estimated tokens without a result, those on the device included. Any thread, without a lock."""
        return self._unfinished_tokens

    def is_cached(self, text: str) -> bool:
        """Would this text be answered at once, from an equal one?"""
        return self._cache.get(text) is not None

    def drop_waiting(self, unwanted: Callable[[Any], bool]) -> list[Any]:
        """Drop what is in no batch yet; return the dropped tags."""
        with self._lock:
            dropped = self._waiting.drop(lambda item: unwanted(item.tag))
            self._finished(dropped)
        return [item.tag for item in dropped]

    def wait_until_few(self, most: int, given_up: Callable[[], bool]) -> None:
        """Return when at most ``most`` submitted texts have no result, when stopped, or soon after ``given_up``."""
        with self._lock:
            while self._unfinished > most and not self._stopped.is_set() and not given_up():
                self._few_left.wait(_STOP_CHECK_SECONDS)

    def _finished(self, items: Sequence[_Item]) -> None:
        """Under the lock: these have their result, or were dropped."""
        self._unfinished -= len(items)
        self._unfinished_tokens -= sum(item.size for item in items)
        if self._unfinished < len(self._computing):  # who waits for few needs one idle thread at least
            self._few_left.notify_all()

    def stop(self) -> None:
        """Drop what waits and let the threads end; ``join`` waits for their last micro-batches."""
        with self._lock:
            self._stopped.set()
            self._waiting.clear()
            for waited_for in (self._may_tokenize, self._may_compute, self._few_left):
                waited_for.notify_all()

    def join(self, seconds: float = 3.0) -> None:
        """Wait until no micro-batch is in progress, or ``seconds`` have passed. Blocks.

        A thread that is still inside a C++ library when Python ends takes the whole process down with SIGABRT.
        """
        until = time.monotonic() + seconds
        for thread in (*self._computing, *self._tokenizing):
            thread.join(max(0.0, until - time.monotonic()))

    # ---- the threads

    def _guarded(self, work: Callable[[], None]) -> None:
        """Report an exception that ends a thread; it would go unnoticed otherwise."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - reported, and ends the process
            if not self._stopped.is_set():  # the caller may be gone after a stop
                self._fatal(error)

    def _tokenize(self) -> None:
        while (taken := self._next_taken()) is not None:
            micro_batches = self._cut(self._tokenized(taken))
            with self._lock:
                self._being_tokenized -= 1
                if micro_batches:
                    self._prepared.append(micro_batches)
                    self._may_compute.notify()
                else:
                    self._may_tokenize.notify_all()

    def _cut(self, batch: list[_Item]) -> list[list[_Item]]:
        """Cut a batch into micro-batches, those with texts of high priority first."""
        plan = self._model.plan
        priority_lanes = [batch]
        if not plan.packs:  # a small micro-batch costs little: high priority does not wait for others in the same one
            priority_lanes = [[item for item in batch if item.high_priority == high] for high in (True, False)]
        micro_batches = [
            [lane[index] for index in one]
            for lane in priority_lanes
            for one in plan.cut([_length(item) for item in lane], self._micro_batch_tokens)
        ]
        return sorted(micro_batches, key=lambda items: not any(item.high_priority for item in items))

    def _tokenized(self, items: list[_Item]) -> list[_Item]:
        """The items with their tokens, without those that cannot be tokenized: they have their result already."""
        found = bisected(items, self._tokens, self._blamed)  # guarantee: tokenising-is-halved
        failed: list[tuple[_Item, ModelFailed]] = []
        for item, tokens in zip(items, found, strict=True):
            if isinstance(tokens, ModelFailed):
                failed.append((item, tokens))
            else:
                item.tokens = tokens
        if failed:
            self._on_done([(item.tag, failure) for item, failure in failed])
            with self._lock:
                self._finished([item for item, _ in failed])
        return [item for item in items if item.tokens is not None]

    def _tokens(self, items: Sequence[_Item]) -> list[Tokens]:
        with self._watchdog.watching("tokenizing"):  # guarantee: hung-tokenizer-ends-the-process
            return self._model.tokenize([item.text for item in items])

    def _next_taken(self) -> list[_Item] | None:
        """Wait for texts, and until the last batch is on the device; return about one batch. None: stopped."""
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
                    return self._waiting.take(self._options.batch_tokens)
            return None

    def _seconds_too_early(self) -> float:
        """Until a batch of what waits may begin."""
        if self._waiting.tokens >= self._options.batch_tokens:
            return 0.0
        return self._taken_at + self._options.linger_seconds - time.monotonic()

    def _compute(self) -> None:
        while (taken := self._next_micro_batch()) is not None:
            if self._yield_to is not None:
                self._yield_to.wait_until_few(self._options.max_unfinished_ahead, self._stopped.is_set)
            if self._stopped.is_set():
                return
            if not (items := self._still_wanted(taken)):
                continue
            self._on_start([item.tag for item in items])
            results = bisected(items, self._run, self._blamed, self._halve_micro_batches)
            self._on_done(list(zip([item.tag for item in items], results, strict=True)))
            with self._lock:
                self._finished(items)

    def _next_micro_batch(self) -> list[_Item] | None:
        """Wait for the next micro-batch of the batch that the device threads share. None: stopped."""
        with self._lock:
            while not self._stopped.is_set() and not self._micro_batches:
                if self._prepared:
                    self._micro_batches.extend(self._prepared.popleft())
                    self._may_tokenize.notify_all()
                    self._may_compute.notify(len(self._micro_batches) - 1)
                else:
                    self._may_compute.wait()
            return None if self._stopped.is_set() else self._micro_batches.popleft()

    def _still_wanted(self, items: list[_Item]) -> list[_Item]:
        """Drop what is unwanted by now; it gets no result."""
        wanted: list[_Item] = []
        dropped: list[_Item] = []
        for item in items:
            (dropped if self._unwanted(item.tag) else wanted).append(item)
        if dropped:
            with self._lock:
                self._finished(dropped)
        return wanted

    def _run(self, items: Sequence[_Item]) -> list[Result]:
        began = time.monotonic()
        with self._watchdog.watching("computing"):
            results = self._model.run([item.tokens for item in items if item.tokens is not None])
        for item, result in zip(items, results, strict=True):
            self._cache.keep(item.text, result)
        lengths = [_length(item) for item in items]
        padding = self._model.plan.padding(lengths)
        seconds = time.monotonic() - began
        telemetry.micro_batch_computed(self._options.name, len(items), sum(lengths) + padding, padding, seconds)
        return results

    def _halve_micro_batches(self, items: Sequence[_Item]) -> None:
        """The device's memory did not hold these."""
        self._micro_batch_tokens = max(1, sum(map(_length, items)) // 2)
        telemetry.device_memory_ran_out(self._options.name, self._micro_batch_tokens)

    def _blamed(self, error: Exception) -> ModelFailed:
        return blamed(self._model, self._options.name, error)


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of a text before it is tokenized."""
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return 2 + size // _BYTES_PER_TOKEN


def _length(item: _Item) -> int:
    assert item.tokens is not None
    return item.tokens.length
