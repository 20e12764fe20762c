"""Runs the classifier in a child process: a text that kills the process that computes it kills the child alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from stream_app import telemetry
from stream_app.models.batcher import Batcher, BatcherOptions
from stream_app.models.bisection import DeviceBroken
from stream_app.models.tuned import Loaded
from stream_app.ports import ModelFailed
from stream_app.records import Scores
from stream_app.settings import ModelSettings
from stream_app.steps.aspects import Aspect, own_aspects_in_use, use_aspects

_NICER = 5
"""On a CPU: reviews that are no candidates have priority; while they are computed it gets about a quarter of a core."""
_OUTSTANDING_BATCHES = 4  # enough that its device never waits for the pipe


@dataclass(frozen=True, slots=True)
class Ready:
    """The classifier is loaded and its canary passed. ``most_tokens``: to hand over at a time, about."""

    most_tokens: int


@dataclass(frozen=True, slots=True)
class Started:
    """These are on the device now."""

    items: list[int]


@dataclass(frozen=True, slots=True)
class Answered:
    """Their results: the process survived them."""

    results: list[tuple[int, Scores | ModelFailed]]


@dataclass(frozen=True, slots=True)
class Broken:
    """The device fails on the canary: no text is to blame."""

    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is gone, for this reason."""

    why: str


Event = Ready | Started | Answered | Broken | Ended


class IsolatedClassifier:
    """A child process with the classifier alone. It ends with its parent, or right after the current micro-batch."""

    def __init__(
        self,
        load: Callable[[ModelSettings], Loaded],
        settings: ModelSettings,
        report: Callable[[IsolatedClassifier, Event], None],
    ) -> None:
        """Starts it; returns before it has loaded. ``report`` is called from a thread, ``Ended`` last.

        Raises what pickle raises where ``load`` cannot be imported by another process, and OSError where the machine
        has no room for one.
        """
        # spawn: a fork would inherit a CUDA context, and locks that threads of ours hold
        context = multiprocessing.get_context("spawn")
        self._report = report
        self._ours, theirs = context.Pipe()
        without_t5 = settings.model_copy(update={"summaries": "off", "sentiment_models": ""})
        self._process = context.Process(
            target=_serve,
            args=(theirs, load, without_t5, own_aspects_in_use()),
            name="isolated-classifier",
            daemon=True,
        )
        try:
            self._process.start()
        except BaseException:
            self._ours.close()
            raise
        finally:
            theirs.close()
        threading.Thread(target=self._listen, name="isolated-listen", daemon=True).start()

    def give(self, items: Sequence[tuple[int, str]]) -> None:
        """Have these texts computed. After ``Ready``. Where the process is gone, ``Ended`` follows."""
        try:
            self._ours.send(list(items))
        except OSError:
            return

    def kill(self) -> None:
        """End it at once; ``Ended`` follows. Any thread."""
        self._process.kill()

    def _listen(self) -> None:
        try:
            while True:
                self._report(self, self._ours.recv())
        except (EOFError, OSError):
            pass
        self._process.join()
        code = self._process.exitcode or 0
        self._report(self, Ended(f"signal {-code}" if code < 0 else f"exit code {code}"))


def _serve(
    connection: Connection, load: Callable[[ModelSettings], Loaded], settings: ModelSettings, own: Sequence[Aspect]
) -> None:
    """The child's main. ``own``: the shop's aspects as the parent read them; the file may have changed since."""
    use_aspects(own)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    telemetry.configure(settings.log_level, settings.log_json, worker="isolated")
    sending = threading.Lock()

    def report(event: Any) -> None:
        try:
            with sending:
                connection.send(event)
        except OSError:
            os._exit(1)  # the parent is gone

    def end(error: BaseException) -> None:
        telemetry.isolated_process_failed(telemetry.error_in_words(error))
        if isinstance(error, DeviceBroken):
            report(Broken(str(error)))
        os._exit(1)

    try:
        tuned = load(settings).sentiment
        if not tuned.model.canary():  # guarantee: isolated-device-passes-its-canary
            end(DeviceBroken("the sentiment model fails on a text that it knows"))
    except BaseException as error:  # noqa: BLE001 - reported to the parent, which decides
        end(error)
    if tuned.device == "cpu":
        os.nice(_NICER)
    most_tokens = _OUTSTANDING_BATCHES * tuned.batch_tokens
    options = BatcherOptions(
        name="isolated",
        micro_batch_tokens=tuned.micro_batch_tokens,
        batch_tokens=tuned.batch_tokens,
        max_waiting_tokens=most_tokens,
        workers=tuned.workers,
        hang_seconds=settings.device_patience_seconds,
        tokenizers=tuned.tokenizers,
    )
    batcher: Batcher[Scores] = Batcher(
        tuned.model,
        options,
        on_start=lambda items: report(Started(items)),
        on_done=lambda results: report(Answered(results)),
        fatal=end,
    )
    batcher.start()
    report(Ready(most_tokens))
    try:
        while True:
            batcher.submit(connection.recv())
    except (EOFError, OSError):
        os._exit(0)
