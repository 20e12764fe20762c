"""The summarizer: the bundled small T5, or any T5 by name or path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, cast

import ctranslate2
import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    T5ForConditionalGeneration,
)

from stream_app.models.background import in_background
from stream_app.models.convert import converted, options_of
from stream_app.models.device import Backend, DeviceChoice
from stream_app.models.precisions import proven_precisions
from stream_app.models.transformer import (
    MAX_INPUT_TOKENS,
    ModelSource,
    TextTokenizer,
    TokenIds,
    computing,
    loading,
    padded,
    pinned_revision,
)
from stream_app.ports import Tokens
from stream_app.records import ModelName
from stream_app.steps.batch_plan import PaddedRows

BUNDLED_NAME = "stream-app/t5-review-title"
MAX_SUMMARY_TOKENS = 24
_PROMPT = "summarize: "
_SETTING = "STREAM_APP_SUMMARY_MODEL"
_MOST_PADDING = {
    "cpu": 0.2,  # a step of the decoder costs little more for ten texts than for two (decision 43)
    "cuda": 0.5,  # `generate` waits for Python there: few texts take as long as many
}
_NO_REPEAT = 3  # no three tokens twice
_CANARY_TEXT = "The kettle boils fast and is easy to clean, but the lid broke after two weeks."


class Generator(Protocol):
    """The search of a T5: the most likely tokens that answer each text."""

    def generate(self, batch: Sequence[TokenIds]) -> list[list[int]]:
        """Token ids per text, special tokens among them. May be called from several threads."""
        ...


class TorchGenerator:
    """transformers' ``generate``; ``model`` on its device."""

    def __init__(self, model: Any, choice: DeviceChoice, beams: int) -> None:
        self.model = model
        self._choice = choice
        self._beams = beams

    def generate(self, batch: Sequence[TokenIds]) -> list[list[int]]:
        ids, mask = padded(batch, self.model.config.pad_token_id, self._choice)
        out: list[list[int]] = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=MAX_SUMMARY_TOKENS,
            num_beams=self._beams,
            early_stopping=self._beams > 1,  # as CTranslate2 does; only beam search knows it
            do_sample=False,
            no_repeat_ngram_size=0,  # whatever the model's own settings say: ours does it
            logits_processor=LogitsProcessorList([NoRepeat()]),
        ).tolist()
        return out


class NoRepeat(LogitsProcessor):  # type: ignore[misc]
    """As transformers' ``no_repeat_ngram_size``, for all rows at once: that one is a loop in Python over each row."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``input_ids``: [rows, tokens so far]; ``scores``: [rows, vocabulary]."""
        if input_ids.shape[1] < _NO_REPEAT:
            return scores
        before = input_ids.unfold(1, _NO_REPEAT, 1)  # [rows, places, 3]
        written = (before[:, :, :-1] == input_ids[:, None, 1 - _NO_REPEAT :]).all(-1)  # were the last tokens here too?
        times = torch.zeros_like(scores).scatter_add_(1, before[:, :, -1], written.to(scores.dtype))
        return scores.masked_fill(times > 0, -torch.inf)


class CTranslate2Generator:
    """The same search by CTranslate2 on a CPU; ``folder``: the converted model."""

    def __init__(self, folder: Path, tokenizer: Any, choice: DeviceChoice, beams: int) -> None:
        self._tokenizer = tokenizer
        self._beams = beams
        make = partial(ctranslate2.Translator, str(folder), **options_of(choice))
        self._translator = in_background(make) if choice.background else make()

    def generate(self, batch: Sequence[TokenIds]) -> list[list[int]]:
        results = self._translator.translate_batch(
            [self._tokenizer.convert_ids_to_tokens(tokens.ids) for tokens in batch],
            max_decoding_length=MAX_SUMMARY_TOKENS,
            beam_size=self._beams,
            no_repeat_ngram_size=_NO_REPEAT,
        )
        return [self._tokenizer.convert_tokens_to_ids(result.hypotheses[0]) for result in results]


class Summarizer:
    """ports.TextModel[str]: at most MAX_SUMMARY_TOKENS tokens; an empty text is never an answer."""

    def __init__(
        self,
        generator: Generator,
        tokenizer: Any,
        *,
        name: ModelName,
        languages: frozenset[str] | None,
        prompt: str,
        most_padding: float,
    ) -> None:
        self.generator = generator
        self.plan = PaddedRows(most_padding)
        self._tokenizer = tokenizer
        self._to_tokens = TextTokenizer(tokenizer, MAX_INPUT_TOKENS)
        self._prompt = prompt
        self.name = name
        self.languages = languages
        self._canary = self.tokenize([_CANARY_TEXT])
        [self._canary_summary] = self.run(self._canary)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return self._to_tokens([self._prompt + text for text in texts])

    def run(self, batch: Sequence[Tokens]) -> list[str]:
        with computing(), torch.inference_mode():
            out = self.generator.generate(cast(Sequence[TokenIds], batch))
        return [text.strip() for text in self._tokenizer.batch_decode(out, skip_special_tokens=True)]

    def canary(self) -> bool:
        return self.run(self._canary) == [self._canary_summary]


@dataclass(frozen=True, slots=True)
class SummarizerSource:
    """A summarizer's tokenizer and where its weights are, from which one for each device is made."""

    source: ModelSource
    tokenizer: Any
    name: ModelName
    languages: frozenset[str] | None
    prompt: str
    reads_label: bool
    """Does it expect the review's label in front of the text?"""
    proven: frozenset[str]
    """The precisions that keep its answers, by its card."""
    beams: int = 1
    backends: frozenset[Backend] = frozenset({"torch", "ctranslate2"})

    @property
    def key(self) -> str:
        return f"{self.name.name} {self.name.revision} {self.beams} beams"

    @property
    def gpu_workers(self) -> int:
        return 1  # `generate` needs Python all the time: two would take turns

    def on(self, choice: DeviceChoice) -> Summarizer:
        """The summarizer on this device, in this precision, by this backend."""
        if choice.backend == "ctranslate2":
            folder = converted(self._weights, self.tokenizer, self.name)
            generator: Generator = CTranslate2Generator(folder, self.tokenizer, choice, self.beams)
        else:
            generator = TorchGenerator(self._weights().to(device=choice.device, dtype=choice.dtype), choice, self.beams)
        return Summarizer(
            generator,
            self.tokenizer,
            name=self.name,
            languages=self.languages,
            prompt=self.prompt,
            most_padding=_MOST_PADDING[choice.device],
        )

    def _weights(self) -> Any:
        with loading("summary model", self.source.where, _SETTING):
            model = T5ForConditionalGeneration.from_pretrained(self.source.where, **self.source.safe_weights)
        return model.float().eval()


def load_summarizer(name: str, choice: DeviceChoice) -> Summarizer:
    """The summarizer of this name on this device; raises ConfigurationError."""
    return find_summarizer(name).on(choice)


def load_t5(name: str) -> tuple[T5ForConditionalGeneration, Any]:
    """The T5 of this name with its weights in fp32, and its tokenizer, to go on training; raises ConfigurationError."""
    found = find_summarizer(name)
    where, options = found.source.where, found.source.safe_weights
    with loading("summary model", where, _SETTING):
        model = T5ForConditionalGeneration.from_pretrained(where, dropout_rate=0.0, **options)
    return model.float(), found.tokenizer


def find_summarizer(name: str, beams: int = 1) -> SummarizerSource:
    """The summarizer of this name (``bundled``, a model's ``name@revision``, or a folder); raises ConfigurationError.

    ``beams``: how many answers are followed at a time; 1 is greedy search.
    """
    bundled = name == "bundled"
    source = ModelSource.of(str(files("stream_app.models").joinpath("bundled", "summary")) if bundled else name)
    with loading("summary model", name, _SETTING):
        tokenizer = AutoTokenizer.from_pretrained(source.where, use_fast=True, **source.safe)
        config = AutoConfig.from_pretrained(source.where, **source.safe)
        if config.model_type != "t5":
            raise ValueError(f"it is a {config.model_type}, not a T5")
    own = bool(getattr(config, "sums_up_reviews", False))  # trained by our own command: no prompt
    return SummarizerSource(
        source,
        tokenizer,
        ModelName(BUNDLED_NAME if bundled else source.name, pinned_revision(source, config)),
        frozenset({"en"}) if own else None,
        "" if own else _PROMPT,
        bool(getattr(config, "reads_label", False)),
        proven_precisions(source.folder),
        beams,
    )
