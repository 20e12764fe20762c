"""Models that cost nothing and answer by a rule, for the tests of what stands around the models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stream_app.ports import MicroBatchPlan, OutOfDeviceMemory, Tokens
from stream_app.records import ModelName, Scores
from stream_app.steps.batch_plan import PaddedRows

Result = TypeVar("Result")

MAX_TOKENS = 512
_GOOD = frozenset({"good", "great", "love", "loves", "perfect", "excellent", "happy"})
_BAD = frozenset({"bad", "broke", "broken", "awful", "terrible", "refund", "fire"})


@dataclass(slots=True)
class Faults:
    """What a fake model is to do wrong; changed while it runs. By default nothing."""

    fails_on: Callable[[str], bool] = lambda text: False
    cannot_tokenize: Callable[[str], bool] = lambda text: False
    memory_tokens: int | None = None  # runs with more tokens, padding included, don't fit
    canary_passes: bool = True
    let_go: threading.Event = field(
        default_factory=lambda: _set(threading.Event())
    )  # cleared: runs hang until it is set


@dataclass(frozen=True, slots=True)
class Words:
    """ports.Tokens: a word is a token, and the end is another."""

    words: tuple[str, ...]
    truncated: bool

    @property
    def length(self) -> int:
        return len(self.words) + 1


class _Fake(Generic[Result]):
    """ports.TextModel by a rule on words. ``runs`` keeps the lengths of each run's texts, in tokens."""

    languages: frozenset[str] | None = None
    plan: MicroBatchPlan = PaddedRows()

    def __init__(self, name: str, rule: Callable[[Words], Result], faults: Faults | None) -> None:
        self.name = ModelName(name, "fake")
        self.faults = faults or Faults()
        self.runs: list[list[int]] = []
        self._rule = rule

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        if any(map(self.faults.cannot_tokenize, texts)):
            raise ValueError("a text that cannot be tokenised, as asked for")
        cut = MAX_TOKENS - 1
        return [Words(tuple(words[:cut]), len(words) > cut) for words in (text.split() for text in texts)]

    def run(self, batch: Sequence[Tokens]) -> list[Result]:
        texts = [tokens for tokens in batch if isinstance(tokens, Words)]
        lengths = [tokens.length for tokens in texts]
        self.faults.let_go.wait()
        if self.faults.memory_tokens is not None and max(lengths) * len(lengths) > self.faults.memory_tokens:
            raise OutOfDeviceMemory(f"{max(lengths) * len(lengths)} tokens, as asked for")
        if any(self.faults.fails_on(" ".join(tokens.words)) for tokens in texts):
            raise RuntimeError("a text that fails, as asked for")
        self.runs.append(lengths)
        return [self._rule(tokens) for tokens in texts]

    def canary(self) -> bool:
        return self.faults.canary_passes


class FakeClassifier(_Fake[Scores]):
    """Counts a few good and bad words; a text with as many of both is neutral."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__("fake-sentiment", _scores, faults)


class FakeSummarizer(_Fake[str]):
    """The first eight words."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__("fake-summary", lambda tokens: " ".join(tokens.words[:8]), faults)


def _scores(tokens: Words) -> Scores:
    words = [word.strip(".,!?").lower() for word in tokens.words]
    good, bad = sum(word in _GOOD for word in words), sum(word in _BAD for word in words)
    weights = (1 + 9 * max(0, bad - good), 3, 1 + 9 * max(0, good - bad))
    negative, neutral, positive = (weight / sum(weights) for weight in weights)
    return Scores(negative, neutral, positive, tokens.truncated)


def _set(event: threading.Event) -> threading.Event:
    event.set()
    return event
