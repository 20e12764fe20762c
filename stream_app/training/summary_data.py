"""What the summarizer learns from: pairs of what it reads and the line that it should write."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from stream_app.ports import TextModel
from stream_app.records import Label, Scores, SentenceScores
from stream_app.steps.label_agreement import agreeing_sentences, has_polarity
from stream_app.steps.summary_input import summary_input
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers
from stream_app.training.headlines import LEAST_SCORE, Headlines, chosen
from stream_app.training.progress import tracked
from stream_app.training.shapes import LENGTH_STEP, batches_of_few_shapes

IGNORED = -100
"""The label that cross entropy leaves out."""
MAX_LINE_TOKENS = 32
_LINE_STEP = 8  # lengths of lines are rounded up to multiples of it
_MOST_ROWS = 40  # of a batch: else thousands of short texts are learned in a few steps
_MOST_CHARACTERS = 1200  # of a review: the summarizer reads max_tokens of it
_PART_SENTENCES = 2
_WITHOUT_LABEL = 0.1  # share of pairs that do not say the review's label: some reviews have none
_JUDGED_LINES = 4  # of a review, the best ones
_LEAST_PROBABILITY = 0.5  # the least probability of the review's label by a line alone


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is trained. Lengths and batches in tokens.

    ``part_epochs``: passes over single sentences and few of them, which are cheaper to learn copying on than whole
    reviews; ``epochs``: passes over whole reviews after them. ``alignment_share``: of the loss, for looking at
    the place in the review that the next token is copied from. ``learning_rate`` 0: 1e-2 of a new model, 3e-3 of one
    that has learned to copy.
    """

    vocabulary: int = 8000
    width: int = 256
    encoder_layers: int = 4
    decoder_layers: int = 2
    part_epochs: int = 1
    epochs: int = 2
    learning_rate: float = 0.0
    warm_up_share: float = 0.03
    alignment_share: float = 0.5
    micro_batch_tokens: int = 1280
    max_tokens: int = 128
    min_words: int = 20
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """What is read, and the line to be written."""

    text: str
    line: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A review that is long enough for a summary, with its sentences as the classifier judged them.

    ``line``: what is to be written of the whole review; None: it has no line, or none was chosen yet.
    """

    review: LabelledReview
    scores: Scores
    line: str | None = None

    @property
    def text(self) -> str:
        return cut(self.review.text)

    @property
    def sentences(self) -> Sequence[SentenceScores]:
        """Without the last one where it was cut."""
        return self.scores.sentences[: -1 if len(self.review.text) > _MOST_CHARACTERS else None]

    @property
    def read(self) -> Sequence[SentenceScores]:
        """The sentences that a worker gives to the summarizer: all of a neutral review."""
        return [one for one, _ in agreeing_sentences(self.sentences, self.review.label)] or self.sentences


def cut(text: str) -> str:
    """The beginning of a text, as far as training reads it."""
    return text[:_MOST_CHARACTERS]


def with_lines(
    reviews: Sequence[Judged], headlines: Headlines, classifier: TextModel[Scores], name: str
) -> list[Judged]:
    """Each review with its line. That has the review's sentiment where it stands alone, too: "The book started off
    well" may begin a complaint. ``name``: of the reviews, for the progress bar.
    """
    best = [
        sorted(headlines.candidates(one.text, one.review.title, one.review.label, one.read), reverse=True)
        for one in reviews
    ]
    best = [[one for one in some[:_JUDGED_LINES] if one[0] > LEAST_SCORE] for some in best]
    lines = sorted({line for some in best for _, line in some})
    judged = dict(zip(lines, tracked(answers(classifier, lines), f"lines of the {name}", len(lines)), strict=True))
    return [
        replace(one, line=_best_line(some, one.review.label, judged)) for one, some in zip(reviews, best, strict=True)
    ]


def _best_line(candidates: Sequence[tuple[float, str]], label: Label, judged: Mapping[str, Scores]) -> str | None:
    if not has_polarity(label):
        return chosen(candidates)
    agreeing = []
    for score, line in candidates:
        probability = judged[line].positive if label == "positive" else judged[line].negative
        if probability >= _LEAST_PROBABILITY:
            agreeing.append((score + probability, line))
    return chosen(agreeing)


def whole_pairs(reviews: Sequence[Judged], rng: random.Random) -> list[Pair]:
    """What a worker gives to the summarizer of each review, with its line; reviews without any are left out."""
    return [Pair(_guided(one.text, one.review.label, rng, one.sentences), one.line) for one in reviews if one.line]


def part_pairs(reviews: Sequence[Judged], headlines: Headlines, rng: random.Random) -> list[Pair]:
    """Of each review a few sentences in a row, with their line."""
    pairs = []
    for one in reviews:
        sentences = one.sentences
        if not sentences:
            continue
        for _ in range(2):
            first = rng.randrange(len(sentences))
            some = sentences[first : first + rng.randint(1, _PART_SENTENCES)]
            line = headlines.line(one.text, one.review.title, one.review.label, some)
            if line is not None:
                pairs.append(Pair(_guided(one.text[some[0].start : some[-1].end], one.review.label, rng), line))
    return pairs


def _guided(text: str, label: Label, rng: random.Random, sentences: Sequence[SentenceScores] = ()) -> str:
    return text if rng.random() < _WITHOUT_LABEL else summary_input(text, label, sentences)


class PairBatches(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """All batches of all epochs, in order: a training that resumes skips those that it has seen.

    An item holds input_ids and attention_mask, both [texts, tokens], and labels and positions, both [texts, tokens of
    the lines]. ``positions``: where in the text the line's token stands, IGNORED where it does not.
    """

    def __init__(self, epochs: Iterable[Sequence[Pair]], tokenizer: Any, recipe: Recipe) -> None:
        self._padding_id = tokenizer.pad_token_id
        self._batches: list[list[tuple[Sequence[int], Sequence[int]]]] = []
        self.epoch_ends: list[int] = []
        for number, pairs in enumerate(epochs):
            texts = _ids([one.text for one in pairs], tokenizer, recipe.max_tokens)
            lines = _ids([one.line for one in pairs], tokenizer, MAX_LINE_TOKENS)
            rng = random.Random(f"{recipe.seed} {number}")
            planned = batches_of_few_shapes([len(ids) for ids in texts], recipe.micro_batch_tokens, rng, _MOST_ROWS)
            self._batches += [[(texts[index], lines[index]) for index in batch] for batch in planned]
            self.epoch_ends.append(len(self._batches))

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        batch = self._batches[index]
        ids = _rows([text for text, _ in batch], self._padding_id, LENGTH_STEP)
        positions = [positions_of(line, text) for text, line in batch]
        return {
            "input_ids": ids,
            "positions": _rows(positions, IGNORED, _LINE_STEP),
            "attention_mask": (ids != self._padding_id).long(),
            "labels": _rows([line for _, line in batch], IGNORED, _LINE_STEP),
        }


def positions_of(line: Sequence[int], text: Sequence[int]) -> list[int]:
    """Where each token of the line stands in the text, IGNORED for the end and where the line is not found.

    Its first token may differ, since it was given a capital.
    """
    found = [IGNORED] * len(line)
    inner = list(line[1:-1])
    if not inner:
        return found
    for start in range(1, len(text) - len(inner) + 1):
        if text[start] == inner[0] and list(text[start : start + len(inner)]) == inner:
            found[: len(inner) + 1] = range(start - 1, start + len(inner))
            return found
    return found


def _ids(texts: Sequence[str], tokenizer: Any, max_tokens: int) -> list[list[int]]:
    found: list[list[int]] = []
    for start in range(0, len(texts), 1000):
        found += tokenizer(list(texts[start : start + 1000]), truncation=True, max_length=max_tokens)["input_ids"]
    return found


def _rows(rows: Sequence[Sequence[int]], filler: int, step: int) -> torch.Tensor:
    longest = -(-max(map(len, rows)) // step) * step
    out = torch.full((len(rows), longest), filler, dtype=torch.long)
    for number, row in enumerate(rows):
        out[number, : len(row)] = torch.tensor(row)
    return out
