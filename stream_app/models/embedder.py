"""Vectors of sentences by the fetched encoders, one per language, on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app import telemetry
from stream_app.models.catalog import known
from stream_app.models.model_store import ModelStore
from stream_app.ports import ConfigurationError
from stream_app.settings import ModelSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENCODERS = {"en": "bge-small-en-v1.5", "zh": "bge-small-zh-v1.5"}
"""Per language the name of an encoder in the catalog whose first token's vector is the embedding."""

_MAX_TOKENS = 128  # of a sentence: what the view keeps of a review is at most 300 characters
_BATCH_TOKENS = 1024  # larger batches are no faster on one core


class SentenceEncoder:
    """One encoder in fp32, sentences packed end to end. One thread at a time."""

    def __init__(self, folder: str, language: str, threads: int = 1) -> None:
        import torch
        from transformers import AutoTokenizer, BertModel

        from stream_app.models.device import DeviceChoice, find_device
        from stream_app.models.encoders import PackedEncoder
        from stream_app.models.transformer import SAFE, SAFE_WEIGHTS, TextTokenizer, loading

        class FirstToken(torch.nn.Module):
            """In place of a pooler: the published encoders have none."""

            def forward(self, of_first_tokens: torch.Tensor) -> torch.Tensor:
                return of_first_tokens[:, 0]

        device, threads, words = find_device("cpu", threads)
        with loading("encoder", folder, "STREAM_APP_MODELS_FOLDER"):
            model: Any = BertModel.from_pretrained(folder, add_pooling_layer=False, **SAFE_WEIGHTS).float().eval()
            self._tokenize = TextTokenizer(AutoTokenizer.from_pretrained(folder, use_fast=True, **SAFE), _MAX_TOKENS)
        model.pooler, model.classifier = FirstToken(), torch.nn.Identity()
        self._encoder = PackedEncoder(model, DeviceChoice(device, "fp32", threads, words))
        self._lower = language == "zh"  # its vocabulary has no capitals, and its tokenizer keeps them

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import torch

        from stream_app.models.transformer import computing

        tokens: Any = self._tokenize([text.lower() if self._lower else text for text in texts])
        batches = self._encoder.plan.cut([one.length for one in tokens], _BATCH_TOKENS)
        vectors: list[Any] = [None] * len(tokens)
        with computing(), torch.inference_mode():
            for batch in batches:
                found = torch.nn.functional.normalize(self._encoder.logits([tokens[index] for index in batch]), dim=-1)
                for index, vector in zip(batch, found.numpy(), strict=True):
                    vectors[index] = vector
        return np.stack(vectors)


class FetchedEncoders:
    """ports.Embedder: each language's encoder is loaded when its first sentence comes."""

    def __init__(self, folders: dict[str, str], threads: int = 1) -> None:
        """``folders``: of the encoders that are fetched, by language."""
        self.languages = frozenset(folders)
        self._folders = folders
        self._threads = threads
        self._loaded: dict[str, SentenceEncoder] = {}

    def embed(self, texts: Sequence[str], language: str) -> NDArray[np.float32]:
        if language not in self._loaded:
            self._loaded[language] = SentenceEncoder(self._folders[language], language, self._threads)
        return self._loaded[language].embed(texts)


def fetched_encoders(settings: ModelSettings) -> FetchedEncoders | None:
    """The encoders that are fetched; None where none is. What is missing is logged."""
    folders, missing = look_for_encoders(settings)
    for language, what in missing.items():
        telemetry.encoder_is_missing(language, what)
    return FetchedEncoders(folders, settings.threads or 1) if folders else None


def look_for_encoders(settings: ModelSettings) -> tuple[dict[str, str], dict[str, str]]:
    """By language, the folders of the encoders that are fetched; and what is wrong with the others, and what to do."""
    store = ModelStore.of(settings)
    folders, missing = {}, {}
    for language, name in ENCODERS.items():
        try:
            folders[language] = str(store.folder_of(known(name)))
        except ConfigurationError as error:
            missing[language] = str(error)
    return folders, missing
