"""Models whose answer follows from the text alone, and that fail, fill the device's memory or hang when asked to.

A review says ``p0731`` of itself: P(negative) is 0.7310, P(positive) the rest. Its first sentence says the same, of
one aspect: 731 modulo 4. A long one says ``label L17``: its summary is ``label L17``. The checker knows these rules
too, and shares no code with them.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from stream_app.models.tuned import Loaded, TunedModel
from stream_app.ports import OutOfDeviceMemory, Tokens
from stream_app.records import ModelName, Scores, SentenceScores
from stream_app.settings import ModelSettings
from stream_app.testing.models import AnsweringModel, one_per_word, texts_of

Result = TypeVar("Result")

RAISES = "raises-always"
"""A text with this word fails in the model, alone too."""
KILLS = "kills-the-process"
"""A text with this word ends the process that computes it."""
KILLS_SUMMARIZER = "kills-the-summarizer"
"""A text with this word ends the process whose T5 computes it; its classifier reads it as any other."""
TAKES_LONG = "takes-long"
"""A run with this word takes SLOW_SECONDS."""
SLOW_SECONDS = 4.0
HELD = "held"
"""While this trouble lasts the classifier is slow, and runs of as many texts as its value says do not end; each of
these says by the trouble `held-<pid>` how many it has.
"""
NO_CHILD = "no child"
"""While this trouble lasts no child process can load a model, as where the machine has no room for a second one."""
_SLOW_RUN_SECONDS = 0.3

_ASPECTS = ("quality", "look", "value", "colour of the sky")  # the last one is none that the view counts

_RUN_SECONDS = 0.03
_TEXT_SECONDS = 0.0005
_FULL_DEVICE_TOKENS = 50
_MICRO_BATCH_TOKENS, _BATCH_TOKENS = 16_000, 16_000


class Troubles:
    """What goes wrong with the models now: files in a folder that the harness shares with its workers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def begin(self, name: str, value: str = "") -> None:
        scratch = self.folder / f".{name}"
        scratch.write_text(value)
        scratch.replace(self.folder / name)

    def end(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def __contains__(self, name: str) -> bool:
        return (self.folder / name).exists()

    def value(self, name: str, default: str) -> str:
        try:
            return (self.folder / name).read_text()
        except FileNotFoundError:
            return default

    def took_effect(self, name: str) -> None:
        """A worker met this trouble."""
        (self.folder / f"effect-{name}").touch()

    def has_taken_effect(self, name: str) -> bool:
        """Did any worker meet it since the last time that this was asked?"""
        mark = self.folder / f"effect-{name}"
        found = mark.exists()
        mark.unlink(missing_ok=True)
        return found


class _Scripted(AnsweringModel[Result]):
    """Takes time, and has the troubles that are on at the moment."""

    def __init__(self, name: str, answer: Callable[[str], Result], troubles: Troubles, kills: str) -> None:
        whole = partial(one_per_word, at_most=sys.maxsize)
        super().__init__(answer, name=ModelName(name, "rule-1"), tokens_of=whole)
        self._kills = kills
        self._troubles = troubles

    def run(self, batch: Sequence[Tokens]) -> list[Result]:
        self._meet_troubles(texts_of(batch), sum(tokens.length for tokens in batch))
        time.sleep(_RUN_SECONDS + _TEXT_SECONDS * len(batch))  # else nothing is ever on the device
        return super().run(batch)

    def canary(self) -> bool:
        return not self._has("broken")

    def _meet_troubles(self, texts: Sequence[str], tokens: int) -> None:
        while self._has("hangs"):
            time.sleep(0.05)
        if self._kills == KILLS and HELD in self._troubles:
            time.sleep(_SLOW_RUN_SECONDS)  # the next run is a large one
            if len(texts) >= int(self._troubles.value(HELD, "1")):
                self._troubles.begin(f"held-{os.getpid()}", str(len(texts)))
                while HELD in self._troubles:
                    time.sleep(0.05)
        if self._has("broken"):
            raise RuntimeError("the device is broken, as asked for")
        if len(texts) > 1 and self._has("raises on batches"):
            raise RuntimeError("a batch fails, as asked for")
        if tokens > _FULL_DEVICE_TOKENS and self._has("memory is full"):
            raise OutOfDeviceMemory("the device is full, as asked for")
        if any(self._kills in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        if any(TAKES_LONG in text for text in texts):
            time.sleep(SLOW_SECONDS)
        if any(RAISES in text for text in texts):
            raise RuntimeError("this text fails, as asked for")

    def _has(self, name: str) -> bool:
        if name not in self._troubles:
            return False
        self._troubles.took_effect(name)
        return True


def load_scripted_models(folder: Path, settings: ModelSettings) -> Loaded:
    """As models.loading.load_models; with the folder of the troubles bound, other processes can load them too."""
    troubles = Troubles(folder)
    if NO_CHILD in troubles and multiprocessing.parent_process() is not None:
        raise MemoryError("no room for a second process, as asked for")
    return scripted_models(troubles)


def scripted_models(troubles: Troubles) -> Loaded:
    """Both models of a worker."""
    return Loaded(
        TunedModel(_Scripted("scripted-sentiment", scores_of, troubles, KILLS), _MICRO_BATCH_TOKENS, _BATCH_TOKENS),
        scripted_summary(troubles),
    )


def scripted_summary(troubles: Troubles) -> TunedModel[str]:
    """The model of `describe`, and the second one of `enrich`."""
    return TunedModel(
        _Scripted("scripted-summary", _label, troubles, KILLS_SUMMARIZER), _MICRO_BATCH_TOKENS, _BATCH_TOKENS
    )


def scores_of(text: str) -> Scores:
    """The classifier's answer."""
    found = re.search(r"\bp(\d{4,5})\b", text)
    negative = int(found[1]) if found else 0
    probabilities = negative / 10_000, 0.0, 1 - negative / 10_000
    end = text.find(". ") + 1 or len(text)
    first = SentenceScores(0, end, probabilities, hazard=0.0, aspects=(_ASPECTS[negative % len(_ASPECTS)],))
    return Scores(*probabilities, sentences=(first,))


def _label(text: str) -> str:
    found = re.search(r"label L\d+", text)
    return found[0] if found else "no label"
