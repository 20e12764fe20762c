"""What a training of the classifier needs beside its data: the base encoder, the aspects, and a teacher."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

from stream_app.ports import ConfigurationError
from stream_app.settings import Settings
from stream_app.steps.aspects import load_aspects


def sentiment_inputs(settings: Settings, base: str, teacher: str | None, start_from: Sequence[str]) -> dict[str, Any]:
    """Arguments of ``train_sentiment``. Raises ConfigurationError where the base or the teacher is missing.

    ``start_from``: of several models, the mean of their weights.
    """
    from stream_app.models.adaptive_temperature import ONE
    from stream_app.models.catalog import known
    from stream_app.models.classifier import find_classifier
    from stream_app.models.derived import mean_of
    from stream_app.models.device import choose_device
    from stream_app.models.model_store import ModelStore

    store = ModelStore.of(settings)
    inputs: dict[str, Any] = {"base": store.folder_of(known(base))}
    language = known(base).languages[0]
    inputs["language"] = language
    inputs["aspects"] = {aspect.id: aspect.description[language] for aspect in load_aspects()}
    inputs["clause_aspects"] = clause_aspects()
    if teacher is not None:
        choice = choose_device(settings.device, settings.precision, settings.threads)
        found = find_classifier(teacher, store)
        found = replace(found, temperature=ONE)  # a student learns what its logits say
        heads = found.sentence_heads
        if heads is not None:
            found = replace(found, sentence_heads=heads.with_hazards_as_learned())
            inputs["teacher_tasks"] = heads.learned
        inputs["teacher"] = found.on(choice)
    if start_from:
        begun = [find_classifier(one, store) for one in start_from]
        try:
            inputs["start_from"] = mean_of([one.model for one in begun]) if len(begun) > 1 else begun[0].model
        except ValueError as error:
            raise ConfigurationError(f"--from {' --from '.join(start_from)}: {error}.") from error
        inputs["temperature"] = begun[0].temperature if len(begun) == 1 else None
    return inputs


def clause_aspects() -> dict[str, dict[str, str]]:
    """By domain, the aspects of data sets of clauses as ids of ours."""
    file = files("stream_app.training").joinpath("data", "oposum_aspects.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))
