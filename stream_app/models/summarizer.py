"""The summarizer: the bundled small T5, or any T5 by name or path."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration

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
from stream_app.records import ModelName

BUNDLED_NAME = "stream-app/t5-review-title"
MAX_SUMMARY_TOKENS = 24
_PROMPT = "summarize: "
_CANARY_TEXT = "The kettle boils fast and is easy to clean, but the lid broke after two weeks."


class Summarizer:
    """ports.TextModel[str]: greedy search, at most MAX_SUMMARY_TOKENS tokens; an empty text is never an answer."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        choice: DeviceChoice,
        *,
        name: ModelName,
        languages: frozenset[str] | None,
        prompt: str,
    ) -> None:
        self._model = model.to(device=choice.device, dtype=choice.dtype).eval()
        self._tokenizer = tokenizer
        self._prompt = prompt
        self.choice = choice
        self.name = name
        self.languages = languages
        self._canary = self.tokenize([_CANARY_TEXT])
        [self._canary_summary] = self.run(self._canary)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return tokenize(self._tokenizer, [self._prompt + text for text in texts], MAX_INPUT_TOKENS)

    def run(self, batch: Sequence[Tokens]) -> list[str]:
        with computing(), torch.inference_mode():
            ids, mask = padded(batch, self._tokenizer.pad_token_id, self.choice)
            out = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=MAX_SUMMARY_TOKENS,
                num_beams=1,
                do_sample=False,
                no_repeat_ngram_size=3,
            )
        return [text.strip() for text in self._tokenizer.batch_decode(out, skip_special_tokens=True)]

    def canary(self) -> bool:
        return self.run(self._canary) == [self._canary_summary]


def load_summarizer(name: str, choice: DeviceChoice) -> Summarizer:
    """The summarizer of this name (``bundled``, a model's name, or a folder); raises ConfigurationError."""
    bundled = name == "bundled"
    where = str(files("stream_app.models").joinpath("bundled", "summary")) if bundled else name
    folder = Path(where) if Path(where).is_dir() else None
    with loading("summary model", where, "STREAM_APP_SUMMARY_MODEL"):
        tokenizer = AutoTokenizer.from_pretrained(where, use_fast=True, **SAFE)
        model = T5ForConditionalGeneration.from_pretrained(where, **SAFE_WEIGHTS)
    own = bool(getattr(model.config, "sums_up_reviews", False))  # trained by our own command: no prompt
    named = ModelName(BUNDLED_NAME if bundled else Path(name).name if folder else name, revision_of(model, folder))
    languages = frozenset({"en"}) if own else None
    return Summarizer(model, tokenizer, choice, name=named, languages=languages, prompt="" if own else _PROMPT)
