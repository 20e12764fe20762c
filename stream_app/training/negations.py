"""Scores a classifier on pairs of sentences that differ in a negation, which the label must follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import orjson

from stream_app.ports import TextModel
from stream_app.records import LABELS, Label, Scores
from stream_app.training.evaluate import answers, labels_of

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class NegationPair:
    """A sentence, and the same one with a negation; ``label``: of the first one, positive or negative."""

    language: str
    text: str
    negated: str
    label: Label


@dataclass(frozen=True, slots=True)
class NegationScores:
    """``share``: of the pairs whose labels differ in the expected direction (neutral lies between the others), 0 to 1.

    ``both_right``: share of the pairs where both labels are the expected ones. ``examples``: pairs that went wrong.
    """

    pairs: int
    share: float
    both_right: float
    examples: list[str] = field(default_factory=list)


def negation_pairs() -> list[NegationPair]:
    """Those that are written for this project."""
    lines = files("stream_app.training").joinpath("data", "negation_pairs.jsonl").read_bytes().splitlines()
    return [NegationPair(**orjson.loads(line)) for line in lines]


def score_negations(model: TextModel[Scores], pairs: Sequence[NegationPair]) -> dict[str, NegationScores]:
    """By language, of those that the model reads."""
    languages = [one for one in dict.fromkeys(pair.language for pair in pairs) if _reads(model, one)]
    return {language: _scores(model, [one for one in pairs if one.language == language]) for language in languages}


def _reads(model: TextModel[Scores], language: str) -> bool:
    return model.languages is None or language in model.languages


def _scores(model: TextModel[Scores], pairs: Sequence[NegationPair]) -> NegationScores:
    labels = labels_of(list(answers(model, [text for pair in pairs for text in (pair.text, pair.negated)])))
    differing = right = 0
    examples = []
    for number, pair in enumerate(pairs):
        first, second = labels[2 * number], labels[2 * number + 1]
        opposite: Label = "negative" if pair.label == "positive" else "positive"
        rises = LABELS.index(second) - LABELS.index(first)
        as_expected = rises < 0 if pair.label == "positive" else rises > 0
        differing += as_expected
        right += (first, second) == (pair.label, opposite)
        if not as_expected:
            examples.append(f"{pair.text} ({first}) / {pair.negated} ({second})")
    return NegationScores(len(pairs), differing / len(pairs), right / len(pairs), examples[:_EXAMPLES])
