"""Judges the sentences of texts from the hidden states of the pass that judged the texts."""

from __future__ import annotations

import copy
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch

from stream_app.models.encoders import Encoded
from stream_app.models.multitask import HAZARD, aspect_logits, span_means
from stream_app.models.precisions import CARD_FILE
from stream_app.models.transformer import TextTokenizer, TokenIds
from stream_app.ports import Tokens
from stream_app.records import LABELS, SentenceScores, Span
from stream_app.steps.aspects import Aspect
from stream_app.steps.aspects.keywords import aspects_by_keyword
from stream_app.steps.clauses import clauses

ASPECT_THRESHOLD = 0.7
NAMED_ASPECT_THRESHOLD = 0.25
"""The probability from which a sentence speaks of an aspect, and the one that suffices where it has a keyword of it.
Measured: docs/decisions/0047-mean-of-three-models.md."""

_ASPECT_LOGIT, _NAMED_ASPECT_LOGIT = (math.log(p / (1 - p)) for p in (ASPECT_THRESHOLD, NAMED_ASPECT_THRESHOLD))

DEFAULT_HAZARD_THRESHOLD = 0.8  # an alert must not be noise
_BELIEVE_ALL = 2.0
_OPPOSITE = {LABELS.index("negative"): LABELS.index("positive"), LABELS.index("positive"): LABELS.index("negative")}
TASKS = frozenset({"sentiment", "hazard", "aspects"})


def learned_tasks(folder: Path) -> frozenset[str]:
    """Those of TASKS that the card in ``folder`` states scores of: heads that learned nothing would raise alerts."""
    try:
        by_file = orjson.loads((folder / CARD_FILE).read_bytes())["scores"]["held_out_sentences"]
        return frozenset(task for scores in by_file.values() for task in TASKS if f"{task}_sentences" in scores)
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return frozenset()  # no card, one of before, or a damaged one


def hazard_threshold(folder: Path) -> float:
    """The probability from which the model in ``folder`` is believed to have found a hazard, as its card states it."""
    try:
        return float(orjson.loads((folder / CARD_FILE).read_bytes())["hazard_threshold"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return DEFAULT_HAZARD_THRESHOLD


def contradictions_below(folder: Path) -> float:
    """How probable the label of a review may be for a sentence that contradicts it to be believed, as the card of the
    model in ``folder`` states it; above 1: always.
    """
    try:
        return float(orjson.loads((folder / CARD_FILE).read_bytes())["contradictions_below"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return _BELIEVE_ALL


def learned_aspects(folder: Path) -> frozenset[str] | None:
    """Ids of the aspects that the training of the model in ``folder`` had examples of; None: its card does not say."""
    try:
        return frozenset(map(str, orjson.loads((folder / CARD_FILE).read_bytes())["learned_aspects"]))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class SentenceTokenIds(TokenIds):
    """TokenIds of a text, and its sentences (steps/clauses.py) that were read, none without a token.

    ``bounds``: the first token of each, and the one behind the last; between two sentences there is none.
    ``aspects``: ids of the aspects of each that its words name; empty where no aspect is found by words.
    """

    sentences: Sequence[Span]
    bounds: Sequence[int]
    aspects: Sequence[tuple[str, ...]] = ()


class SentenceTokenizer(TextTokenizer):
    """Texts to SentenceTokenIds; for a tokenizer that puts one special token before a text and one behind it.

    A sentence where the text is cut ends there. ``by_keyword``: aspects that are found by their keywords of
    ``language``.
    """

    def __init__(
        self, tokenizer: Any, max_tokens: int, by_keyword: Sequence[Aspect] = (), language: str = "en"
    ) -> None:
        super().__init__(tokenizer, max_tokens)
        self._by_keyword, self._language = tuple(by_keyword), language

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        encoded = self._core.encode_batch(list(texts))  # with offsets: a tenth slower
        return [self._with_sentences(text, one) for text, one in zip(texts, encoded, strict=True)]

    def _with_sentences(self, text: str, encoded: Any) -> SentenceTokenIds:
        ids = encoded.ids
        end = len(ids) - 1
        truncated = self._is_cut(encoded)
        spans: list[Span] = []
        bounds: list[int] = []
        for span in clauses(text[: encoded.offsets[end - 1][1]] if truncated else text):
            first = encoded.char_to_token(span.start)
            if first is None:  # the normalizer drops some characters
                first = bisect_left(encoded.offsets, (span.start, 0), 1, end)
            if first >= end:
                break
            if bounds and first == bounds[-1]:  # the sentence before has no token
                spans.pop()
            else:
                bounds.append(first)
            spans.append(span)
        aspects: list[tuple[str, ...]] = []
        if self._by_keyword:
            words = (text[span.start : span.end] for span in spans)
            aspects = [aspects_by_keyword(one, self._language, self._by_keyword) for one in words]
        return SentenceTokenIds(ids, truncated, spans, [*bounds, end], aspects)


class SentenceHeads:
    """The heads of a MultiTaskBert that read the mean vectors of sentences, in fp32 on one device. Any thread."""

    def __init__(
        self,
        model: Any,
        aspects: Sequence[str],
        prototypes: torch.Tensor,
        learned: frozenset[str] = TASKS,
        hazard_threshold: float = 0.5,
        named: Sequence[Aspect] = (),
        language: str = "en",
        contradictions_below: float = _BELIEVE_ALL,
    ) -> None:
        """``aspects``: the ids of ``prototypes`` [aspects, width]. ``learned``: a head says nothing of other tasks.

        ``hazard_threshold``: the model's probability that becomes 0.5, so that one threshold suits all models.
        ``named``: aspects with keywords. Those of ``language``, ``by_keyword``, are looked for in the words of
        sentences (SentenceTokenizer): they decide where the head knows no such aspect, and help it where it does.
        ``contradictions_below``: sentences that contradict a review of at least this probability are doubtful.
        """
        self.by_keyword = tuple(one for one in named if language in one.keywords)
        self.language = language
        self._hazard_shift = math.log(hazard_threshold / (1 - hazard_threshold))
        self._contradictions_below = contradictions_below
        self.learned = learned
        self._classifier = copy.deepcopy(model.sentence_classifier).float()
        self._projection = copy.deepcopy(model.aspect_projection).float()
        self._aspects = tuple(aspects)
        self._prototypes = prototypes.float()

    def on(self, device: str) -> SentenceHeads:
        """The same on another device."""
        other = copy.copy(self)
        other._classifier = copy.deepcopy(self._classifier).to(device)
        other._projection = copy.deepcopy(self._projection).to(device)
        other._prototypes = self._prototypes.to(device)
        return other

    def with_hazards_as_learned(self) -> SentenceHeads:
        """The same, whose probabilities of hazards are the model's own."""
        other = copy.copy(self)
        other._hazard_shift = 0.0
        return other

    def scores(
        self, encoded: Encoded, batch: Sequence[SentenceTokenIds], reviews: Sequence[Sequence[float]]
    ) -> list[tuple[SentenceScores, ...]]:
        """The sentences' scores of each text. ``reviews``: the probabilities of its LABELS."""
        counts = [len(tokens.sentences) for tokens in batch]
        total = sum(counts)
        if not total:
            return [()] * len(batch)
        bounds = np.fromiter(chain.from_iterable(one.bounds for one in batch), np.int64, total + len(batch))
        bounds += np.repeat(np.fromiter(encoded.starts, np.int64, len(batch)), [count + 1 for count in counts])
        is_first = np.ones(len(bounds), bool)
        is_first[np.cumsum([count + 1 for count in counts]) - 1] = False
        [at] = is_first.nonzero()
        spans = torch.from_numpy(np.stack([np.zeros_like(at), bounds[at], bounds[at + 1]], axis=1))
        vectors = span_means(encoded.hidden[None], spans.to(encoded.hidden.device))
        logits = self._classifier(vectors)
        of_labels: list[tuple[float, float, float] | None] = [None] * total
        if "sentiment" in self.learned:
            of_labels = [(one[0], one[1], one[2]) for one in logits[:, : len(LABELS)].softmax(dim=-1).cpu().tolist()]
        of_hazards = [0.0] * total
        if "hazard" in self.learned:
            of_hazards = (logits[:, HAZARD] - self._hazard_shift).sigmoid().cpu().tolist()
        by_words: list[tuple[str, ...]] = [()] * total
        if self.by_keyword:
            by_words = list(chain.from_iterable(one.aspects or [()] * len(one.sentences) for one in batch))
        of_aspects = self._aspects_of(vectors, by_words)
        judged = [
            SentenceScores(span.start, span.end, labels, hazard, aspects)
            for span, labels, hazard, aspects in zip(
                chain.from_iterable(one.sentences for one in batch), of_labels, of_hazards, of_aspects, strict=True
            )
        ]
        ends = np.cumsum(counts).tolist()
        return [
            self._with_doubts(tuple(judged[end - count : end]), of_review)
            for count, end, of_review in zip(counts, ends, reviews, strict=True)
        ]

    def _with_doubts(
        self, sentences: tuple[SentenceScores, ...], of_review: Sequence[float]
    ) -> tuple[SentenceScores, ...]:
        confidence = max(of_review)
        opposite = _OPPOSITE.get(of_review.index(confidence))
        if opposite is None or confidence < self._contradictions_below:
            return sentences
        return tuple(
            replace(one, doubtful=True)
            if one.probabilities is not None and one.probabilities[opposite] == max(one.probabilities)
            else one
            for one in sentences
        )

    def _aspects_of(self, vectors: torch.Tensor, by_words: Sequence[tuple[str, ...]]) -> Sequence[tuple[str, ...]]:
        """Ids of the aspects of each sentence, those of the head first. ``by_words``: those that its words name."""
        if "aspects" not in self.learned or not self._aspects:
            return by_words
        found: list[tuple[str, ...]] = [()] * len(by_words)
        logits = aspect_logits(self._projection(vectors), self._prototypes).cpu()
        is_likely = (logits > _ASPECT_LOGIT).tolist()
        for row, column in (logits > _NAMED_ASPECT_LOGIT).nonzero().tolist():
            if is_likely[row][column] or self._aspects[column] in by_words[row]:
                found[row] += (self._aspects[column],)
        known = frozenset(self._aspects)
        return [
            of_head + tuple(one for one in named if one not in known)
            for of_head, named in zip(found, by_words, strict=True)
        ]
