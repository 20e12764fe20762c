"""Writes a known model as a folder of its own, which transformers reads."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from stream_app.models.catalog import KnownModel
from stream_app.models.model_store import ModelStore
from stream_app.ports import ConfigurationError


def export(model: KnownModel, store: ModelStore, folder: Path) -> None:
    """Write the model into ``folder``, which appears when it is complete. An adapter is merged into its base.

    Raise ConfigurationError where ``folder`` exists, cannot be written, or the model has to be fetched first.
    """
    if folder.exists():
        raise ConfigurationError(f"{folder} exists: name a new folder.")
    source = store.folder_of(model)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            made = Path(scratch) / "complete"
            if model.kind == "classifier":
                _write_merged(model, store, made)
                shutil.copy(source / "README.md", made)
            else:
                shutil.copytree(source, made, copy_function=shutil.copy, ignore=shutil.ignore_patterns("__pycache__"))
            made.rename(folder)
    except OSError as error:
        raise ConfigurationError(f"{model.name} could not be written to {folder}: {error}") from error


def _write_merged(model: KnownModel, store: ModelStore, folder: Path) -> None:
    from transformers import BertForSequenceClassification

    from stream_app.models.classifier import find_classifier
    from stream_app.models.loading import silence_libraries

    silence_libraries()
    found = find_classifier(model.name, store)
    # without the heads for sentences, which transformers has no class for
    plain = BertForSequenceClassification(found.model.config)
    plain.load_state_dict({name: found.model.state_dict()[name] for name in plain.state_dict()})
    plain.save_pretrained(str(folder))
    found.tokenizer.save_pretrained(str(folder))
