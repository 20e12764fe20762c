"""Asks a multi-task classifier about files of labelled sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stream_app.models import derived
from stream_app.models.classifier import find_classifier
from stream_app.models.model_store import ModelStore
from stream_app.models.multitask import MultiTaskBert
from stream_app.models.transformer import MAX_INPUT_TOKENS
from stream_app.ports import ConfigurationError
from stream_app.records import ModelName
from stream_app.steps.aspects import Aspect
from stream_app.training.data import named
from stream_app.training.examples import read_sentences
from stream_app.training.rows import Columns
from stream_app.training.sentence_report import sentence_report
from stream_app.training.sentence_scores import predict_sentences


def evaluate_sentence_files(
    folder: Path,
    store: ModelStore,
    paths: Sequence[Path],
    *,
    aspects: Sequence[Aspect],
    clause_aspects: Mapping[str, Mapping[str, str]],
    columns: Columns | None = None,
    held_out: bool = False,
) -> tuple[ModelName, dict[str, Any]]:
    """The model's name, and by the name of the file what ``sentence_report`` says of its sentences.

    ``folder``: of a classifier that `stream-app train` wrote. Lines in another language than its base encoder's are
    left out. ``clause_aspects``: see ``read_sentences``. ``held_out``: only the sentences that a training leaves out.
    Raises ConfigurationError for another model, and for a file without such sentences.
    """
    if not derived.is_derived(folder):
        raise ConfigurationError(f"{folder} is not a model that `stream-app train sentiment` wrote.")
    found = find_classifier(str(folder), store)
    if not isinstance(found.model, MultiTaskBert):
        raise ConfigurationError(f"{folder} does not judge sentences.")
    base = derived.base_of(folder)
    language = base.languages[0]
    prototypes = derived.prototypes(
        store.folder_of(base), found.tokenizer, [aspect.description[language] for aspect in aspects]
    )
    reports: dict[str, Any] = {}
    for name, path in named(paths).items():
        file = read_sentences(path, clause_aspects, language, all_held_out=not held_out, columns=columns)
        predicted = predict_sentences(
            found.model, found.tokenizer, file.held_out, [one.id for one in aspects], prototypes, MAX_INPUT_TOKENS
        )
        if predicted is None:
            raise ConfigurationError(f"{path}: no labelled sentence is held out.")
        reports[name] = sentence_report(predicted, aspects, language)
    return found.name, reports
