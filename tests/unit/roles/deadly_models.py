"""Models that end the process that computes certain texts. In a module of their own: child processes import them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stream_app.models.languages import models_of_languages
from stream_app.models.tuned import Loaded, TunedModel
from stream_app.ports import Tokens
from stream_app.records import ModelName, Scores
from stream_app.settings import ModelSettings
from stream_app.testing.models import FakeClassifier, FakeModel, fake_summary, texts_of


class Deadly(FakeClassifier):
    """``starts``: a file that gets a line for each process that loads it."""

    def __init__(self, starts: Path | None) -> None:
        super().__init__()
        if starts is not None:
            with starts.open("a") as file:
                file.write(f"{os.getpid()}\n")

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        if any("tokeniser" in text for text in texts):
            os._exit(9)
        return super().tokenize(texts)

    def run(self, batch: Sequence[Tokens]) -> list[Scores]:
        if any("deadly" in text for text in texts_of(batch)):
            os._exit(9)
        if any("endless" in text for text in texts_of(batch)):
            time.sleep(600)
        return super().run(batch)


def load_deadly(starts: Path | None, settings: ModelSettings) -> Loaded:
    return Loaded(
        TunedModel(Deadly(starts), micro_batch_tokens=40, batch_tokens=100),
        None if settings.summaries == "off" else TunedModel(FakeModel(fake_summary), 1000, 1000),
    )


def load_of_each_language(settings: ModelSettings) -> Loaded:
    """Classifiers as the settings name them."""

    def named(name: str, language: str) -> TunedModel[Scores]:
        model = Deadly(None)
        model.name, model.languages = ModelName(name, str(os.getpid())), frozenset({language})
        return TunedModel(model, 1000, 1000)

    further = {
        language: named(name, language) for language, name in models_of_languages(settings.sentiment_models).items()
    }
    of_first = "en" if settings.model_languages == "auto" else settings.model_languages
    return Loaded(named(settings.sentiment_model, of_first), None, further)


def load_broken(settings: ModelSettings) -> Loaded:
    """A device that fails its canary, in every process."""
    loaded = load_deadly(None, settings)
    loaded.sentiment.model.canary_passes = False  # type: ignore[attr-defined]
    return loaded


def load_in_one_process_only(parent: int, settings: ModelSettings) -> Loaded:
    """There is no memory for a second one."""
    if os.getpid() != parent:
        raise MemoryError("no room for a second copy")
    return load_deadly(None, settings)


only_here = partial(load_in_one_process_only, os.getpid())
