"""What the roles need from models: classifiers, summarizers, explainers, embedders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from stream_app.records import Explanation, ModelName, NotExplained, Review

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Result = TypeVar("Result")


class Tokens(Protocol):
    """One tokenized text."""

    @property
    def length(self) -> int: ...
    @property
    def truncated(self) -> bool: ...


class MicroBatchPlan(Protocol):
    """How a batch becomes micro-batches, by what differing lengths cost a model. Implemented in steps/batch_plan."""

    @property
    def packs(self) -> bool:
        """Are texts computed end to end, nothing padded, so that micro-batches are full?"""
        ...

    def cut(self, lengths: Sequence[int], micro_batch_tokens: int) -> list[list[int]]:
        """Indices of ``lengths`` (tokens per text, at least 1), each in exactly one micro-batch of
        at most ``micro_batch_tokens``; a longer text is alone.
        """
        ...

    def padding(self, lengths: Sequence[int]) -> float:
        """What a micro-batch of these lengths computes for nothing, in tokens."""
        ...


class TextModel(Protocol[Result]):
    """A model that answers one text with one result: a classifier (Scores) or a summarizer (str)."""

    @property
    def name(self) -> ModelName: ...
    @property
    def languages(self) -> frozenset[str] | None:
        """Languages it was trained for, as ISO 639-1 codes; None: any."""
        ...

    @property
    def plan(self) -> MicroBatchPlan:
        """Which texts it should compute together."""
        ...

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """One Tokens per text; may be called during ``run``."""
        ...

    def run(self, batch: Sequence[Tokens]) -> list[Result]:
        """Return one result per input in the same order. Raises OutOfDeviceMemory, or whatever the model raised."""
        ...

    def canary(self) -> bool:
        """Does a fixed text still give the answer it gave when the model was loaded? False: the device is broken."""
        ...


class Explainer(Protocol):
    """Says what a classifier answers to a review, and which of its words made the answer."""

    def explain(
        self, review: Review, *, words: bool, gives_up: Callable[[], bool] = lambda: False
    ) -> Explanation | NotExplained:
        """Only title, text and language of ``review`` are read. Blocks, with ``words`` for seconds. One call at a time.

        ``gives_up``: asked again and again, may be from another thread; once it is True the answer is ``too_slow``.
        """
        ...


class Embedder(Protocol):
    """Gives each sentence a vector, so that sentences that say the same are near to each other."""

    @property
    def languages(self) -> frozenset[str]:
        """Languages that it reads, as ISO 639-1 codes."""
        ...

    def embed(self, texts: Sequence[str], language: str) -> NDArray[np.float32]:
        """[texts, width]: vectors of length 1, comparable within a language; blocks. Any thread, one at a time.

        Raises ConfigurationError if what it needs for this language is gone or damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model fails on this one text, while the canary passes."""

    reason: str
    detail: str
