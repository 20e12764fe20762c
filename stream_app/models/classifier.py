"""The sentiment classifier: the bundled one, or any BERT-family sequence classifier by name or path."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from stream_app.models import derived, labels
from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature, temperature_of_card
from stream_app.models.architectures import PACKABLE
from stream_app.models.catalog import BUNDLED, CATALOG, KnownModel
from stream_app.models.convert import converted
from stream_app.models.device import Backend, DeviceChoice
from stream_app.models.encoders import CTranslate2Encoder, Encoder, PackedEncoder, PaddedEncoder
from stream_app.models.model_store import ModelStore
from stream_app.models.precisions import proven_precisions
from stream_app.models.sentence_heads import (
    SentenceHeads,
    SentenceTokenIds,
    SentenceTokenizer,
    contradictions_below,
    hazard_threshold,
    learned_aspects,
    learned_tasks,
)
from stream_app.models.transformer import (
    MAX_INPUT_TOKENS,
    ModelSource,
    TextTokenizer,
    TokenIds,
    computing,
    loading,
    pinned_revision,
    revision_of,
)
from stream_app.ports import Tokens
from stream_app.records import LABELS, ModelName, Scores, SentenceScores
from stream_app.settings import ModelSettings
from stream_app.steps.aspects import aspects_in_use, load_aspects

_CANARY_TEXT = "It broke after two days. I want my money back."
_CANARY_TOLERANCE = 0.02


class Classifier:
    """ports.TextModel[Scores]: one forward pass per micro-batch. Any thread."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: TextTokenizer,
        columns: torch.Tensor,
        *,
        name: ModelName,
        languages: frozenset[str] | None,
        sentence_heads: SentenceHeads | None = None,
        temperature: AdaptiveTemperature = ONE,
    ) -> None:
        """``columns``: [outputs, 3], sums the outputs that mean the same sentiment. ``temperature``: of its logits.

        ``sentence_heads``: on the encoder's device; with them ``tokenizer`` gives SentenceTokenIds.
        """
        self.encoder = encoder
        self.plan = encoder.plan
        self.tokenize = tokenizer
        self.name = name
        self.languages = languages
        self._columns = columns
        self._sentence_heads = sentence_heads
        self._temperature = temperature
        self._canary = self.tokenize([_CANARY_TEXT])
        [self._canary_scores] = self.run(self._canary)

    def run(self, batch: Sequence[Tokens]) -> list[Scores]:
        with computing(), torch.inference_mode():
            if self._sentence_heads is None:
                probabilities = self._probabilities(self.encoder.logits(cast(Sequence[TokenIds], batch)))
                sentences: Sequence[tuple[SentenceScores, ...]] = [()] * len(batch)
            else:
                encoded = self.encoder.encode(cast(Sequence[TokenIds], batch))
                probabilities = self._probabilities(encoded.logits)
                of_tokens = cast(Sequence[SentenceTokenIds], batch)
                sentences = self._sentence_heads.scores(encoded, of_tokens, probabilities)
        return [
            Scores(row[0], row[1], row[2], tokens.truncated, of_sentences)
            for row, tokens, of_sentences in zip(probabilities, batch, sentences, strict=True)
        ]

    def _probabilities(self, logits: torch.Tensor) -> list[list[float]]:
        """[texts, 3], by LABELS."""
        found: list[list[float]] = (self._temperature.scaled(logits).softmax(dim=-1) @ self._columns).tolist()
        return found

    def canary(self) -> bool:
        [now] = self.run(self._canary)
        before = self._canary_scores
        pairs = ((now.negative, before.negative), (now.neutral, before.neutral), (now.positive, before.positive))
        return all(abs(left - right) <= _CANARY_TOLERANCE for left, right in pairs)


@dataclass(frozen=True, slots=True)
class LoadedClassifier:
    """A classifier's weights in fp32 as transformers has them, from which one for each device is made.

    ``sentence_heads``: None: it judges whole texts alone.
    """

    model: Any
    tokenizer: Any
    name: ModelName
    languages: frozenset[str] | None
    proven: frozenset[str]
    """The precisions that keep its labels, by its card."""
    sentence_heads: SentenceHeads | None = None
    temperature: AdaptiveTemperature = ONE

    @property
    def key(self) -> str:
        return f"{self.name.name} {self.name.revision}"

    @property
    def backends(self) -> frozenset[Backend]:
        packable = self.model.config.model_type in PACKABLE
        return frozenset({"torch", "ctranslate2"} if packable else {"torch"})

    @property
    def gpu_workers(self) -> int:
        return 2  # one prepares its micro-batch while the other's is on the device

    def on(self, choice: DeviceChoice) -> Classifier:
        """The classifier on this device, in this precision, by this backend."""
        return Classifier(
            self._encoder(choice),
            self.text_tokenizer(),
            torch.eye(len(LABELS))[list(self.label_of_output)],
            name=self.name,
            languages=self.languages,
            sentence_heads=None if self.sentence_heads is None else self.sentence_heads.on(choice.device),
            temperature=self.temperature,
        )

    def as_loaded(self) -> Classifier:
        """The classifier on these very weights, on a CPU as transformers runs it: slower, and nothing is copied."""
        return Classifier(
            PaddedEncoder(self.model, self.tokenizer.pad_token_id or 0, DeviceChoice("cpu", "fp32", 1, "")),
            self.text_tokenizer(),
            torch.eye(len(LABELS))[list(self.label_of_output)],
            name=self.name,
            languages=self.languages,
            sentence_heads=self.sentence_heads,
            temperature=self.temperature,
        )

    @property
    def label_of_output(self) -> tuple[int, ...]:
        """For each output of the model, its place in LABELS."""
        return labels.columns(self.model.config.id2label)

    def text_tokenizer(self) -> TextTokenizer:
        """Cuts texts at what the model reads."""
        max_tokens = min(MAX_INPUT_TOKENS, _positions(self.model.config), self.tokenizer.model_max_length)
        heads = self.sentence_heads
        if heads is None:
            return TextTokenizer(self.tokenizer, max_tokens)
        return SentenceTokenizer(self.tokenizer, max_tokens, heads.by_keyword, heads.language)

    def _convertible(self) -> Any:
        """What CTranslate2's converter asks for: of XLM-RoBERTa the whole, of the others the encoder."""
        return self.model if self.model.config.model_type == "xlm-roberta" else self.model.base_model

    def _encoder(self, choice: DeviceChoice) -> Encoder:
        if choice.backend == "ctranslate2":
            folder = converted(self._convertible, self.tokenizer, self.name)
            return CTranslate2Encoder(copy.deepcopy(self.model.classifier), self.model.config, folder, choice)
        packable = self.model.config.model_type in PACKABLE
        if packable and choice.device == "cuda" and choice.precision == "bf16":  # attention's kernel has no fp32
            from stream_app.models.fused_encoder import FusedEncoder

            return FusedEncoder(self.model, choice)
        model = copy.deepcopy(self.model).to(device=choice.device, dtype=choice.dtype)
        if packable and choice.device == "cpu":
            return PackedEncoder(model, choice)
        return PaddedEncoder(model, self.tokenizer.pad_token_id or 0, choice)


def load_classifier(name: str, choice: DeviceChoice, store: ModelStore | None = None) -> Classifier:
    """The classifier of this name on this device; raises ConfigurationError."""
    return find_classifier(name, store).on(choice)


def find_classifier(name: str, store: ModelStore | None = None) -> LoadedClassifier:
    """The classifier of this name (``bundled``, ``name@revision``, or a folder); raises ConfigurationError.

    ``store``: where base encoders are; None: where the settings say.
    """
    model = CATALOG.get(BUNDLED["classifier"] if name == "bundled" else name)
    if model is not None and model.bundled is not None:
        folder = Path(str(files("stream_app.models").joinpath("bundled", model.bundled)))
        return _derived(folder, f"stream-app/{model.name}", store)
    source = ModelSource.of(name)
    if source.folder is not None and derived.is_derived(source.folder):
        return _derived(source.folder, source.name, store)
    with loading("classifier", name, "STREAM_APP_SENTIMENT_MODEL"):
        tokenizer = AutoTokenizer.from_pretrained(source.where, use_fast=True, **source.safe)
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            source.where, output_loading_info=True, **source.safe_weights
        )
        if missing := loaded["missing_keys"]:
            raise ValueError(f"it has no weights for {', '.join(sorted(missing))}: a classifier needs a trained head")
    named = ModelName(source.name, pinned_revision(source, model.config))
    return LoadedClassifier(model.float().eval(), tokenizer, named, None, proven_precisions(source.folder))


def _derived(folder: Path, name: str, store: ModelStore | None) -> LoadedClassifier:
    """The classifier of ``folder`` on its base encoder; raises ConfigurationError."""
    with loading("classifier", str(folder), "STREAM_APP_SENTIMENT_MODEL"):
        base = derived.base_of(folder)
        base_folder = (store or ModelStore.of(ModelSettings())).folder_of(base)
        model, tokenizer = derived.load_derived(folder, base_folder), derived.tokenizer_of(base_folder)
        heads = _sentence_heads(model, folder, base_folder, tokenizer, base) if learned_tasks(folder) else None
    temperature = temperature_of_card(folder)
    of_weights = revision_of(model.config, folder, derived.weights_of(folder))
    # what else changes answers: a cache must not take one for the other
    of_card = f"{temperature} {hazard_threshold(folder)} {contradictions_below(folder)}"
    named = ModelName(name, sha256(f"{of_weights} {of_card}".encode()).hexdigest()[:12])
    languages = frozenset(base.languages)
    return LoadedClassifier(model, tokenizer, named, languages, proven_precisions(folder), heads, temperature)


def _sentence_heads(model: Any, folder: Path, base_folder: Path, tokenizer: Any, base: KnownModel) -> SentenceHeads:
    """Its heads, with the default aspects that it learned, and all aspects' keywords.

    Of an aspect without an example in its training the head says no wherever it is asked: keywords alone find it.
    """
    language = base.languages[0]
    aspects = [one for one in load_aspects() if language in one.description]
    learned = learned_aspects(folder)
    if learned is not None:
        aspects = [one for one in aspects if one.id in learned]
    descriptions = [one.description[language] for one in aspects]
    prototypes = derived.prototypes(base_folder, tokenizer, descriptions)
    ids = [one.id for one in aspects]
    return SentenceHeads(
        model,
        ids,
        prototypes,
        learned_tasks(folder),
        hazard_threshold(folder),
        aspects_in_use(),
        language,
        contradictions_below(folder),
    )


def _positions(config: Any) -> int:
    """How many tokens the model has positions for; RoBERTa's begin after its padding id."""
    positions = int(getattr(config, "max_position_embeddings", MAX_INPUT_TOKENS))
    return positions - 2 if config.model_type in ("roberta", "xlm-roberta", "camembert") else positions
