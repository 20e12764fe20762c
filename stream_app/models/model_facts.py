"""What is shown of a known model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from stream_app.models.base_encoder import SHA256, wheel_folder
from stream_app.models.catalog import LAYERS_WEIGHTS, SCALE_OF_DELTA, WEIGHTS, KnownModel
from stream_app.models.model_store import ModelStore

_SIZES = {
    "num_hidden_layers": "layers",
    "num_layers": "layers",
    "hidden_size": "width",
    "d_model": "width",
    "num_attention_heads": "heads",
    "num_heads": "heads",
    "vocab_size": "vocabulary",
    "max_position_embeddings": "positions",
}
_HASHES = {"fetched": "ok", "installed": "ok", "damaged": "differs"}


def facts_of(model: KnownModel, store: ModelStore) -> dict[str, Any]:
    """Return the columns of `models list` and the lines of `models show`; None: not known.

    ``MB``: on the disk, or of the download where it is missing. ``hash``: ok or differs, where one is pinned; files of
    this package are as they were installed.
    """
    state = store.state(model)
    folder = None if state in ("missing", "damaged") else store.folder_of(model)
    size = _megabytes(folder or (wheel_folder() if model.published is None else None))
    facts: dict[str, Any] = {
        "name": model.name,
        "kind": model.kind,
        "languages": list(model.languages),
        "licence": model.licence,
        "state": state,
        "MB": size or (model.published.megabytes if model.published else None),
        "hash": _HASHES.get(state),
        "origin": model.origin,
        "folder": str(folder) if folder else None,
    }
    if model.published is not None:
        facts["published as"] = model.published.coordinate
        facts |= {"SHA-256 of the ONNX file": model.published.onnx.sha256}
        facts |= {"SHA-256 of the tokenizer": model.published.tokenizer.sha256}
    elif model.bundled is None:
        facts["SHA-256 of the weights"] = SHA256
    return facts | (_numbers(folder) if folder else {})


def _numbers(folder: Path) -> dict[str, Any]:
    """Return the sizes in config.json and the number of parameters; nothing for an adapter."""
    try:
        config = orjson.loads((folder / "config.json").read_bytes())
    except OSError:
        return {}
    sizes = {_SIZES[field]: config[field] for field in _SIZES if field in config}
    if (folder / LAYERS_WEIGHTS).is_file():
        return sizes | {"parameters besides the base's": _parameters(folder / LAYERS_WEIGHTS)}
    return sizes | {"parameters": _parameters(folder / WEIGHTS)}


def _parameters(weights: Path) -> int:
    """Count the parameters by the file's header, without reading a weight."""
    with weights.open("rb") as file:
        header = orjson.loads(file.read(int.from_bytes(file.read(8), "little")))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__" and not name.endswith(SCALE_OF_DELTA):
            size = 1
            for length in tensor["shape"]:
                size *= length
            total += size
    return total


def _megabytes(folder: Path | None) -> int | None:
    if folder is None:
        return None
    return round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6)
