"""Keeps the state of a training in a file, so that it can resume after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stream_app.ports import ConfigurationError


def save_state(file: Path, state: dict[str, Any]) -> None:
    """Write the state; an interruption leaves the previous one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(file.name + ".unfinished")
    torch.save(state, unfinished)
    unfinished.replace(file)


def load_state(file: Path) -> dict[str, Any] | None:
    """The state that was saved; None where there is none. Raises ConfigurationError for a file that is none."""
    if not file.is_file():
        return None
    try:
        state = torch.load(file, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ConfigurationError(f"{file} is not a checkpoint ({error}). Remove it to start over.") from error
    assert isinstance(state, dict)
    return state
