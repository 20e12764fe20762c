"""Makes tokenized batches of few different shapes out of examples: in bf16 each new one costs a CPU a compilation."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from stream_app.records import LABELS, Label
from stream_app.training.examples import Example
from stream_app.training.shapes import LENGTH_STEP, batches_of_few_shapes

UNKNOWN = -100
_MOST_ROWS = 40  # of a batch: else thousands of sentences are learned in a few steps


@dataclass(frozen=True, slots=True)
class Tokenized:
    """An example's token ids; ``spans``: (first token, token behind the last) of its sentences that were read."""

    ids: Sequence[int]
    spans: tuple[tuple[int, int], ...]
    example: Example


def tokenized(examples: Sequence[Example], tokenizer: Any, max_tokens: int) -> list[Tokenized]:
    """Tokenize; a sentence behind ``max_tokens`` is dropped."""
    out = []
    for start in range(0, len(examples), 1000):
        some = examples[start : start + 1000]
        encoded = tokenizer(
            [one.text for one in some], truncation=True, max_length=max_tokens, return_offsets_mapping=True
        )
        for example, ids, offsets in zip(some, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            out.append(_with_spans(example, ids, offsets))
    return out


def _with_spans(example: Example, ids: Sequence[int], offsets: Sequence[tuple[int, int]]) -> Tokenized:
    inner = range(1, len(offsets) - 1)  # without the special tokens, whose offsets are (0, 0)
    starts = [offsets[index][0] for index in inner]
    spans, kept = [], []
    for (start, end), sentence in zip(example.spans, example.sentences, strict=True):
        first, behind = bisect_left(starts, start) + 1, bisect_left(starts, end) + 1
        if behind > first:
            spans.append((first, behind))
            kept.append(sentence)
    if len(kept) != len(example.sentences):
        example = replace(example, spans=(), sentences=tuple(kept))
    return Tokenized(ids, tuple(spans), example)


class PlannedBatches(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """All batches of all epochs, in order: a training that resumes skips those that it has seen."""

    def __init__(
        self,
        epochs: Sequence[Sequence[Tokenized]],
        *,
        batch_tokens: int,
        aspects: Sequence[str],
        padding_id: int,
        seed: int,
    ) -> None:
        self._aspects = {name: index for index, name in enumerate(aspects)}
        self._padding_id = padding_id
        self._batches: list[list[Tokenized]] = []
        self.epoch_ends: list[int] = []
        for number, examples in enumerate(epochs):
            rng = random.Random(f"{seed} {number}")
            planned = batches_of_few_shapes([len(one.ids) for one in examples], batch_tokens, rng, _MOST_ROWS)
            self._batches += [[examples[index] for index in batch] for batch in planned]
            self.epoch_ends.append(len(self._batches))

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return tensors(self._batches[index], self._aspects, self._padding_id)


def tensors(batch: Sequence[Tokenized], aspects: Mapping[str, int], padding_id: int) -> dict[str, torch.Tensor]:
    """What the model reads and what it should answer.

    ids, mask: [texts, tokens]. labels: [texts], UNKNOWN where there is none; two_sided: [texts]. scores: [texts, 3],
    the teacher's, or zeros. spans: [spans, 3]. Of each span: span_labels, span_two_sided, hazard, hazard_weight
    [spans], span_scores [spans, 3], aspects [spans, aspects], aspects_weight [spans]; a weight is 0 where nothing is
    known.
    """
    longest = -(-max(len(one.ids) for one in batch) // LENGTH_STEP) * LENGTH_STEP
    ids = torch.full((len(batch), longest), padding_id, dtype=torch.long)
    mask = torch.zeros((len(batch), longest), dtype=torch.long)
    spans, sentences = [], []
    for row, one in enumerate(batch):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
        mask[row, : len(one.ids)] = 1
        for (first, end), sentence in zip(one.spans, one.example.sentences, strict=True):
            spans.append((row, first, end))
            sentences.append(sentence)
    examples = [one.example for one in batch]
    of_aspects = torch.zeros((len(sentences), len(aspects)))
    for row, sentence in enumerate(sentences):
        for aspect in sentence.aspects or ():
            if aspect in aspects:
                of_aspects[row, aspects[aspect]] = 1.0
    return {
        "ids": ids,
        "mask": mask,
        "labels": torch.tensor([_index(one.label) for one in examples]),
        "two_sided": torch.tensor([not one.neutral_possible for one in examples]),
        "scores": torch.tensor([one.scores or (0.0, 0.0, 0.0) for one in examples]),
        "spans": torch.tensor(spans, dtype=torch.long).reshape(-1, 3),
        "span_labels": torch.tensor([_index(one.label) for one in sentences], dtype=torch.long),
        "span_scores": torch.tensor([one.scores or (0.0, 0.0, 0.0) for one in sentences]).reshape(-1, 3),
        "span_two_sided": torch.tensor([not one.neutral_possible for one in sentences], dtype=torch.bool),
        "hazard": torch.tensor([float(one.hazard or 0.0) for one in sentences]),
        "hazard_weight": torch.tensor([0.0 if one.hazard is None else one.hazard_weight for one in sentences]),
        "aspects": of_aspects,
        "aspects_weight": torch.tensor([0.0 if one.aspects is None else one.aspects_weight for one in sentences]),
    }


def _index(label: Label | None) -> int:
    return UNKNOWN if label is None else LABELS.index(label)
