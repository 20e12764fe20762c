"""Converts a checkpoint for CTranslate2 once, and keeps the result by its name and revision.

CTranslate2 computes encoders and T5 on a CPU two to eight times as fast as torch does (`make bench` measures it).
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
from ctranslate2.converters import TransformersConverter

from stream_app.cache import cache_folder
from stream_app.models.device import DeviceChoice
from stream_app.records import ModelName


class _Converter(TransformersConverter):  # type: ignore[misc]
    """Converts what is loaded already: the base class would load pickled weights too, and no adapter."""

    def __init__(self, model: Any, tokenizer: Any, config_folder: Path) -> None:
        super().__init__(str(config_folder))
        self._model, self._tokenizer = model, tokenizer

    def load_model(self, *_: Any, **__: Any) -> Any:
        return self._model

    def load_tokenizer(self, *_: Any, **__: Any) -> Any:
        return self._tokenizer


def options_of(choice: DeviceChoice) -> dict[str, Any]:
    """The device options of CTranslate2's Encoder and Translator."""
    return {
        "device": choice.device,
        "compute_type": "int8" if choice.precision == "int8" else "float32",
        "inter_threads": choice.workers,
        "intra_threads": choice.threads,
    }


def converted(weights: Callable[[], Any], tokenizer: Any, name: ModelName) -> Path:
    """The folder of a model for CTranslate2; ``weights``: gives the encoder without its head, or the T5, in fp32.

    Written to a temporary folder and renamed: a process that dies here leaves nothing incomplete.
    """
    kept = cache_folder() / "converted"
    target = kept / f"{name.name.replace('/', '--')}-{name.revision}-ctranslate2-{ctranslate2.__version__}"
    if name.revision == "unknown":
        return _for_this_process(weights, tokenizer)
    if _is_whole(target):
        return target
    try:
        kept.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="converting-", dir=kept))
    except OSError:  # a read-only home
        return _for_this_process(weights, tokenizer)
    try:
        _convert(weights(), tokenizer, scratch)
        try:
            os.rename(scratch / "new", target)
        except OSError:
            if not _is_whole(target):  # else another process was faster
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _for_this_process(weights: Callable[[], Any], tokenizer: Any) -> Path:
    """What has no name to be kept under, or no place, is converted again at each start."""
    folder = Path(tempfile.mkdtemp(prefix="stream-app-converted-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _convert(weights(), tokenizer, folder)
    return folder / "new"


def _is_whole(folder: Path) -> bool:
    return (folder / "model.bin").is_file()


def _convert(model: Any, tokenizer: Any, folder: Path) -> None:
    # the converter asks for an attribute that transformers 5 lacks: positions are always absolute now
    model.config.position_embedding_type = "absolute"
    model.config.save_pretrained(str(folder))
    _Converter(model, tokenizer, folder).convert(str(folder / "new"))
