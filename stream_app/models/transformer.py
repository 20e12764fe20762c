"""What the classifier and the summarizer share: loading by name or path, padding, errors of the device."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stream_app import telemetry
from stream_app.models.device import DeviceChoice
from stream_app.models.memory import give_back
from stream_app.ports import ConfigurationError, OutOfDeviceMemory, Tokens
from stream_app.records import Span

MAX_INPUT_TOKENS = 512

# Options of every from_pretrained: no code from elsewhere, no pickles.
SAFE = {"trust_remote_code": False}
SAFE_WEIGHTS = {**SAFE, "use_safetensors": True}


@dataclass(frozen=True, slots=True)
class TokenIds:
    """ports.Tokens: the numbers that the model reads; ``truncated``: the text was longer."""

    ids: Sequence[int]
    truncated: bool

    @property
    def length(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model comes from: a folder, or a name on the Hugging Face Hub with the revision that pins it.

    ``revision``: a commit (best: it never moves), tag or branch; None: the hub's default branch, which may change.
    """

    where: str
    folder: Path | None
    revision: str | None = None

    @classmethod
    def of(cls, name: str) -> ModelSource:
        """``name`` is a folder, ``owner/model`` or ``owner/model@revision``."""
        if Path(name).is_dir():
            return cls(name, Path(name))
        where, _, revision = name.partition("@")
        return cls(where, None, revision or None)

    @property
    def name(self) -> str:
        """What published records call it."""
        return self.folder.name if self.folder else self.where

    @property
    def safe(self) -> dict[str, Any]:
        """Arguments of every ``from_pretrained`` call on it."""
        # guarantee: pinned-revision-is-loaded
        return SAFE if self.revision is None else {**SAFE, "revision": self.revision}

    @property
    def safe_weights(self) -> dict[str, Any]:
        """The same, for weights: safetensors only."""
        return {**self.safe, "use_safetensors": True}


class TextTokenizer:
    """Texts to TokenIds, special tokens included, cut at ``max_tokens``. Any thread: its core is never changed.

    Goes to the tokenizer's Rust core: it is faster without the offsets of the tokens.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self._core = copy.deepcopy(tokenizer.backend_tokenizer)
        self._core.no_padding()
        self._core.enable_truncation(max_length=max_tokens)
        self._max_tokens = max_tokens

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        return [TokenIds(one.ids, self._is_cut(one)) for one in self._core.encode_batch_fast(list(texts))]

    def pieces(self, text: str) -> list[Span | None]:
        """Where each token of the text stands in it, in code points; None: a special token."""
        [encoded] = self._core.encode_batch([text])
        return [
            None if special else Span(start, end)
            for (start, end), special in zip(encoded.offsets, encoded.special_tokens_mask, strict=True)
        ]

    def _is_cut(self, encoded: Any) -> bool:
        return len(encoded) == self._max_tokens and bool(encoded.overflowing)  # the list costs half of the ids


def padded(
    batch: Sequence[Tokens], padding_id: int, choice: DeviceChoice, multiple_of: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, attention mask) of a micro-batch, both [texts, longest rounded up to ``multiple_of``], on the device."""
    longest = -(-max(tokens.length for tokens in batch) // multiple_of) * multiple_of
    ids = torch.full((len(batch), longest), padding_id, dtype=torch.long)
    mask = torch.zeros((len(batch), longest), dtype=torch.long)
    for row, tokens in enumerate(batch):
        assert isinstance(tokens, TokenIds)
        ids[row, : tokens.length] = torch.tensor(tokens.ids)
        mask[row, : tokens.length] = 1
    return ids.to(choice.device), mask.to(choice.device)


@contextmanager
def computing() -> Iterator[None]:
    """Wrap a micro-batch: memory that is free afterwards goes back, and "out of memory" becomes OutOfDeviceMemory."""
    try:
        yield
        give_back()
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise OutOfDeviceMemory(str(error)) from error
    except RuntimeError as error:
        if "DefaultCPUAllocator" in str(error):
            raise OutOfDeviceMemory(str(error)) from error
        raise


@contextmanager
def loading(what: str, name: str, setting: str) -> Iterator[None]:
    """Turn errors while ``name`` is loaded into a ConfigurationError that states what to do."""
    try:
        yield
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ConfigurationError(
            f"The {what} {name!r} cannot be loaded: {error}\n"
            f"Set {setting} to `bundled`, to a folder with config.json, tokenizer and model.safetensors, or to the "
            "name@revision of a model that this machine can download or has in its cache."
        ) from error


def pinned_revision(source: ModelSource, config: Any) -> str:
    """``revision_of`` the model that was loaded from ``source``; warns where nothing pins it."""
    if source.folder is None and source.revision is None:
        telemetry.model_was_not_pinned(source.where, getattr(config, "_commit_hash", None) or "commit")
    return revision_of(config, source.folder)


def revision_of(config: Any, folder: Path | None, weights: str = "model.safetensors") -> str:
    """Short SHA-256 of the weights of a folder, or the commit under which a downloaded model was published."""
    if folder is not None and (folder / weights).is_file():
        with (folder / weights).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()[:12]
    return str(getattr(config, "_commit_hash", None) or "unknown")[:12]
