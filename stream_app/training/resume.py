"""Keeps the state of a training that was interrupted apart from that of every other training."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import torch
from transformers.trainer_utils import get_last_checkpoint

from stream_app.ports import ConfigurationError

TOKENIZER = "tokenizer"
"""The folder of the tokenizer that a training made."""
_INPUTS = "inputs.sha256"


def last_checkpoint(folder: Path, inputs: str) -> str | None:
    """The checkpoint to resume from, if there is one; ``folder`` is made where there is none.

    ``inputs``: what ``digest_of`` says of everything that the training depends on. Raises ConfigurationError where the
    folder holds the state of a training with other inputs: its steps would be taken for steps of this one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / _INPUTS
    last: str | None = get_last_checkpoint(str(folder))
    if last is not None and (not note.is_file() or note.read_text(encoding="ascii") != inputs):
        raise ConfigurationError(
            f"{folder} holds the state of another training (other data, options or starting model). "
            "Remove it to train from the beginning, or name another folder by --checkpoint."
        )
    note.write_text(inputs, encoding="ascii")
    return last


def forget(folder: Path) -> None:
    """Remove the state of a training that is complete, and the folder if nothing else is in it."""
    for state in (*folder.glob("checkpoint-*"), folder / TOKENIZER):
        shutil.rmtree(state, ignore_errors=True)
    (folder / _INPUTS).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def digest_of(options: object, files: Iterable[Path], models: Sequence[torch.nn.Module | None]) -> str:
    """Names the inputs of a training. ``options``: by their ``repr``."""
    digest = sha256(repr(options).encode())
    for path in files:
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
        digest.update(b"\0")
    for model in models:
        for name, value in model.state_dict().items() if model is not None else ():
            digest.update(name.encode() + value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
