"""A model with what was measured for it on this device, and the models of one worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stream_app.ports import TextModel
from stream_app.records import Scores

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TunedModel(Generic[Result]):
    """A model, how many tokens a micro-batch and a batch of it should hold here, and how many threads should run it.

    ``tokens_per_second``: of all these threads together; 0: not measured. ``how``: on which device, by which backend,
    in which precision, and why; for people. ``device``: cpu or cuda. ``background``: its threads yield to the others
    of this process. ``reads_label``: a summarizer that is told the review's label (steps/summary_input).
    """

    model: TextModel[Result]
    micro_batch_tokens: int
    batch_tokens: int
    workers: int = 1
    tokens_per_second: float = 0.0
    how: str = ""
    device: str = "cpu"
    background: bool = False
    reads_label: bool = False

    @property
    def tokenizers(self) -> int:
        """Threads that tokenize. With one a GPU waits for it: its cores are idle while Python takes over the tokens."""
        return 2 if self.device == "cuda" else 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """The models of a worker; None where it needs none."""

    sentiment: TunedModel[Scores]
    summary: TunedModel[str] | None
    sentiment_of_language: Mapping[str, TunedModel[Scores]] = field(default_factory=dict)
    """Further classifiers, by the language whose reviews they read instead of the first one."""
