"""A worker as `stream-app worker enrich` is one, with models that cost nothing.

python -m benchmarks.harness.noop_models      (settings come from the environment)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.frameworks.work import MODEL, noop_scores
from stream_app import telemetry
from stream_app.models.loading import Loaded, TunedModel
from stream_app.ports import Tokens, Unavailable
from stream_app.records import ModelName
from stream_app.roles.run import run_worker
from stream_app.settings import Settings
from stream_app.steps.batch_plan import Packed

Result = TypeVar("Result")
_BATCH_TOKENS = 32_768  # what waits is one batch: a device that costs nothing is never what bounds it


@dataclass(slots=True)
class _Text:
    """ports.Tokens of a text that is not tokenised. All have length 1, so a micro-batch holds any of them."""

    text: str
    length: int = 1
    truncated: bool = False


class _Noop(Generic[Result]):
    """ports.TextModel that answers without computing."""

    languages: frozenset[str] | None = None
    plan = Packed()

    def __init__(self, name: ModelName, answer: Callable[[str], Result]) -> None:
        self.name = name
        self._answer = answer

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return [_Text(text) for text in texts]

    def run(self, batch: Sequence[Tokens]) -> list[Result]:
        answer = self._answer
        return [answer(tokens.text) for tokens in batch if isinstance(tokens, _Text)]

    def canary(self) -> bool:
        return True


def noop_models(settings: Settings) -> Loaded:
    """A classifier and, unless summaries are off, a summarizer that gives back how the text begins."""
    sentiment = TunedModel(_Noop(MODEL, noop_scores), _BATCH_TOKENS, _BATCH_TOKENS)
    if settings.summaries == "off":
        return Loaded(sentiment, None)
    return Loaded(sentiment, TunedModel(_Noop(MODEL, _beginning), _BATCH_TOKENS, _BATCH_TOKENS))


def _beginning(text: str) -> str:
    return text[:60].rpartition(" ")[0]


def main() -> None:
    settings = Settings(_env_file=None)
    telemetry.configure(settings.log_level, settings.log_json)
    try:
        run_worker(settings, "enrich", load=noop_models)
    except Unavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
