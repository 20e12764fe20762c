"""A worker as `stream-app worker enrich` is one, with models that cost nothing.

python -m benchmarks.harness.noop_models      (settings come from the environment)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from benchmarks.frameworks.work import MODEL, noop_scores
from stream_app import telemetry
from stream_app.models.tuned import Loaded, TunedModel
from stream_app.ports import Unavailable
from stream_app.roles.run import run_worker
from stream_app.settings import ModelSettings, Settings
from stream_app.steps.batch_plan import Packed
from stream_app.testing.models import AnsweringModel, one_per_text

Result = TypeVar("Result")
_BATCH_TOKENS = 32_768  # what waits is one batch: a device that costs nothing is never what bounds it


def noop_models(settings: ModelSettings) -> Loaded:
    """A classifier and, unless summaries are off, a summarizer that gives back how the text begins."""
    sentiment = TunedModel(_noop(noop_scores), _BATCH_TOKENS, _BATCH_TOKENS)
    if settings.summaries == "off":
        return Loaded(sentiment, None)
    return Loaded(sentiment, TunedModel(_noop(_beginning), _BATCH_TOKENS, _BATCH_TOKENS))


def _noop(answer: Callable[[str], Result]) -> AnsweringModel[Result]:
    return AnsweringModel(answer, name=MODEL, plan=Packed(), tokens_of=one_per_text)


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
