"""Fakes of ports.TextModel: the answer is a function of the text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stream_app.ports import MicroBatchPlan, OutOfDeviceMemory, Tokens
from stream_app.records import ModelName, Scores
from stream_app.steps.batch_plan import PaddedRows

Result = TypeVar("Result")

MAX_TOKENS = 512
_GATE_SECONDS = 60.0
_FAKE = ModelName("fake", "1")
_GOOD = frozenset({"good", "great", "love", "loves", "perfect", "excellent", "happy"})
_BAD = frozenset({"bad", "broke", "broken", "awful", "terrible", "refund", "fire"})


@dataclass(slots=True)
class FakeTokens:
    """ports.Tokens that keep their text."""

    text: str
    length: int
    truncated: bool = False


def one_per_word(text: str, at_most: int = MAX_TOKENS) -> FakeTokens:
    """A token for each word and one for the end; a longer text is cut."""
    words = text.split()
    if len(words) < at_most:
        return FakeTokens(text, len(words) + 1)
    return FakeTokens(" ".join(words[: at_most - 1]), at_most, truncated=True)


def one_per_text(text: str) -> FakeTokens:
    """The same length for all, so that a micro-batch holds any of them; nothing is counted."""
    return FakeTokens(text, 1)


def texts_of(batch: Sequence[Tokens]) -> list[str]:
    """The texts that a fake model has tokenized."""
    return [tokens.text for tokens in batch if isinstance(tokens, FakeTokens)]


class AnsweringModel(Generic[Result]):
    """Computes ``answer`` of each text and does nothing else: benchmarks measure what stands around the models."""

    def __init__(
        self,
        answer: Callable[[str], Result],
        *,
        name: ModelName = _FAKE,
        languages: frozenset[str] | None = None,
        plan: MicroBatchPlan | None = None,
        tokens_of: Callable[[str], FakeTokens] = one_per_word,
    ) -> None:
        self.name = name
        self.languages = languages
        self.plan: MicroBatchPlan = plan or PaddedRows()
        self._answer = answer
        self._tokens_of = tokens_of

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        tokens_of = self._tokens_of
        return [tokens_of(text) for text in texts]

    def run(self, batch: Sequence[Tokens]) -> list[Result]:
        answer = self._answer
        return [answer(tokens.text) for tokens in batch if isinstance(tokens, FakeTokens)]

    def canary(self) -> bool:
        return True


class FakeModel(AnsweringModel[Result]):
    """A model that fails on request and records what it computed. The switches may change while it runs.

    ``fails_on``         raise on these texts
    ``cannot_tokenize``  raise on these texts before they reach the device
    ``memory_tokens``    raise OutOfDeviceMemory on runs of more tokens, padding included
    ``canary_passes``    the answer of the canary
    ``gate``             while it is cleared, runs hang
    ``ran``              the texts of each run that began
    ``completed``        the lengths of the texts of each run that ended well, in tokens
    """

    def __init__(
        self,
        answer: Callable[[str], Result],
        *,
        languages: frozenset[str] | None = None,
        memory_tokens: int | None = None,
        fails_on: Callable[[str], bool] = lambda text: False,
    ) -> None:
        super().__init__(answer, languages=languages)
        self.fails_on = fails_on
        self.cannot_tokenize: Callable[[str], bool] = lambda text: False
        self.memory_tokens = memory_tokens
        self.canary_passes = True
        self.gate = threading.Event()
        self.gate.set()
        self.ran: list[list[str]] = []
        self.completed: list[list[int]] = []

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        if any(map(self.cannot_tokenize, texts)):
            raise ValueError("a text that cannot be tokenized, as asked for")
        return super().tokenize(texts)

    def run(self, batch: Sequence[Tokens]) -> list[Result]:
        texts, lengths = texts_of(batch), [tokens.length for tokens in batch]
        self.ran.append(texts)
        if not self.gate.wait(_GATE_SECONDS):
            raise AssertionError("the test never opened the model's gate")
        needed = sum(lengths) + self.plan.padding(lengths)
        if self.memory_tokens is not None and needed > self.memory_tokens:
            raise OutOfDeviceMemory(f"{needed:.0f} tokens, as asked for")
        if any(map(self.fails_on, texts)):
            raise RuntimeError("a text that fails, as asked for")
        results = super().run(batch)
        self.completed.append(lengths)
        return results

    def canary(self) -> bool:
        return self.canary_passes


class FakeClassifier(FakeModel[Scores]):
    """A FakeModel that answers with ``fake_scores``."""

    def __init__(
        self,
        *,
        languages: frozenset[str] | None = None,
        memory_tokens: int | None = None,
        fails_on: Callable[[str], bool] = lambda text: False,
    ) -> None:
        super().__init__(fake_scores, languages=languages, memory_tokens=memory_tokens, fails_on=fails_on)


def fake_scores(text: str) -> Scores:
    """Count a few good and bad words: more bad ones are negative, more good ones positive, else neutral."""
    words = [word.strip(".,!?").lower() for word in text.split()]
    balance = sum(word in _GOOD for word in words) - sum(word in _BAD for word in words)
    if balance < 0:
        return Scores(0.97, 0.02, 0.01)
    return Scores(0.01, 0.02, 0.97) if balance > 0 else Scores(0.1, 0.8, 0.1)


def fake_summary(text: str) -> str:
    """The first three words."""
    return " ".join(text.split()[:3]).rstrip(".,")
