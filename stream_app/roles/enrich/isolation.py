"""Has poison-pill candidates computed by a child process, until the one that kills is found.

A thread of its own drives the child: handing over blocks, and the event loop must not. Its results go back
through callbacks, which are called from that thread.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stream_app import telemetry
from stream_app.models.batcher import estimated_tokens
from stream_app.models.bisection import DeviceBroken
from stream_app.models.isolated import Answered, Broken, Ended, Event, IsolatedClassifier, Ready, Started
from stream_app.models.tuned import Loaded
from stream_app.ports import ModelFailed
from stream_app.records import Scores
from stream_app.settings import ModelSettings
from stream_app.steps.trials import Trials

_MOST_FAILED_STARTS = 3
_IDLE_SECONDS = 10.0
_LEAST_START_SECONDS = 300.0
_BEYOND_PATIENCE_SECONDS = 10.0  # the child itself notices a run that hangs, unless it can do nothing any more
_FIRST_TOKENS = 10_000  # handed over at a time until the child has reported its limit


@dataclass(frozen=True, slots=True)
class _Wake:
    """Something was added, dropped, or it is time to stop."""


@dataclass(slots=True, eq=False)
class _Candidate:
    tag: Any
    text: str


class Isolation:
    """Candidates in, exactly one verdict each: a result, killer, or impossible to decide.

    1. No child runs while there is no candidate; one that has nothing to do for 10 s is ended.
    2. Candidates go to the child in batches, at the usual speed. Where it survives, its results are used.
    3. Where it dies, what it was computing is tried again in a new child, in small groups and nothing else.
    4. An item alone in two children that died is a killer. A child passes a canary before it gets anything.
    5. Three children in a row that do not come as far as that: nothing can be isolated here, the caller must.
    """

    def __init__(
        self,
        load: Callable[[ModelSettings], Loaded],
        settings: ModelSettings,
        *,
        on_results: Callable[[list[tuple[Any, Scores | ModelFailed]]], None],
        on_killer: Callable[[Any], None],
        on_impossible: Callable[[list[Any]], None],
        fatal: Callable[[BaseException], None],
    ) -> None:
        """``fatal`` gets a broken device, and bugs."""
        self._load, self._settings = load, settings
        self._on_results, self._on_killer, self._on_impossible = on_results, on_killer, on_impossible
        self._fatal = fatal
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._candidates: dict[int, _Candidate] = {}
        self._most_tokens = _FIRST_TOKENS
        self._trials: Trials[int] = Trials(self._tokens, _FIRST_TOKENS)
        self._events: queue.SimpleQueue[tuple[IsolatedClassifier | None, Event | _Wake]] = queue.SimpleQueue()
        self._child: IsolatedClassifier | None = None
        self._child_is_ready = False
        self._failed_starts = 0
        self._impossible = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def submit(self, items: Sequence[tuple[Any, str]]) -> None:
        """(tag, text) each. Any thread; never blocks."""
        with self._lock:
            numbers = []
            for tag, text in items:
                self._candidates[number := next(self._numbers)] = _Candidate(tag, text)
                numbers.append(number)
            self._trials.add(numbers)
        if self._thread is None:
            self._thread = threading.Thread(target=self._guarded, name="isolation", daemon=True)
            self._thread.start()
        self._events.put((None, _Wake()))

    def drop(self) -> list[Any]:
        """Forget everything; returns the tags of what had no verdict. Any thread.

        A child that computes is ended: the next owner of these records tries them by itself.
        """
        with self._lock:
            if self._trials.held and self._child is not None:
                self._child.kill()
                self._child, self._child_is_ready = None, False  # its end needs no handling
            self._trials.drop()
            tags = [candidate.tag for candidate in self._candidates.values()]
            self._candidates.clear()
        return tags

    def stop(self) -> None:
        """End the child. Any thread; never blocks."""
        self.drop()
        self._stopped = True
        with self._lock:
            if self._child is not None:
                self._child.kill()
        self._events.put((None, _Wake()))

    # ---- the thread

    def _guarded(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - ``fatal`` ends the process
            if not self._stopped:
                self._fatal(error)

    def _work(self) -> None:
        while not self._stopped:
            try:
                child, event = self._events.get(timeout=self._patience())
            except queue.Empty:
                self._out_of_patience()
                continue
            if child is self._child or child is None:
                self._handle(event)
            self._continue()

    def _patience(self) -> float | None:
        """Seconds without any event that are too long; None: nothing is expected."""
        if self._child is None:
            return None
        patience = self._settings.device_patience_seconds + _BEYOND_PATIENCE_SECONDS
        if not self._child_is_ready:
            return max(patience, _LEAST_START_SECONDS)
        return patience if self._trials.held else _IDLE_SECONDS

    def _out_of_patience(self) -> None:
        with self._lock:
            child = self._child
            if child is None:
                return
            if self._child_is_ready and not len(self._trials):
                self._child, self._child_is_ready = None, False  # idle: its end needs no handling
            child.kill()

    def _handle(self, event: Event | _Wake) -> None:
        match event:
            case Ready(most_tokens):
                self._child_is_ready = True
                with self._lock:
                    self._trials.most = most_tokens
            case Started(items):
                with self._lock:
                    self._trials.started(items)
            case Answered(results):
                self._failed_starts = 0
                self._answered(dict(results))
            case Broken(error):
                raise DeviceBroken(error)
            case Ended(why):
                self._died(why)
            case _Wake():
                pass

    def _answered(self, results: dict[int, Scores | ModelFailed]) -> None:
        with self._lock:
            cleared = self._trials.passed(results)
            found = [(self._candidates.pop(number).tag, results[number]) for number in cleared]
        if found:
            telemetry.candidates_passed(len(found))
            self._on_results(found)

    def _died(self, why: str) -> None:
        with self._lock:
            was_ready, self._child, self._child_is_ready = self._child_is_ready, None, False
            held = self._trials.held
            killers = [self._candidates.pop(number).tag for number in self._trials.died()]
            left = len(self._trials)
        telemetry.isolated_process_died(why, held, left)
        if not (was_ready and held):
            self._failed_starts += 1
        for tag in killers:
            self._on_killer(tag)
        if self._failed_starts >= _MOST_FAILED_STARTS:  # guarantee: isolation-has-a-way-out
            self._give_up(why)

    def _give_up(self, why: str) -> None:
        self._impossible = True
        telemetry.isolation_was_impossible(why)

    def _continue(self) -> None:
        """Start a child where one is needed, and give it what it should have."""
        if self._impossible:
            if tags := self.drop():
                self._on_impossible(tags)
            return
        if self._stopped or not len(self._trials):
            return
        if self._child is None:
            self._start()
        with self._lock:
            child = self._child if self._child_is_ready else None
            given = [(number, self._candidates[number].text) for number in self._trials.next()] if child else []
        if child and given:
            child.give(given)

    def _start(self) -> None:
        try:
            child = IsolatedClassifier(self._load, self._settings, lambda who, event: self._events.put((who, event)))
        except Exception as error:  # noqa: BLE001 - no process, or a loader that cannot be pickled: one result each is kept
            self._give_up(f"{type(error).__name__}: {error}")
            self._events.put((None, _Wake()))
            return
        with self._lock:
            self._child = child
            if self._stopped:
                child.kill()
        telemetry.isolation_began(len(self._trials))

    def _tokens(self, number: int) -> int:
        return estimated_tokens(self._candidates[number].text)
