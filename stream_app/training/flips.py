"""How many labels change when texts are changed in a way that should not matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream_app.ports import TextModel
from stream_app.records import Label, Scores
from stream_app.training.evaluate import answers, labels_of


@dataclass(frozen=True, slots=True)
class Flips:
    """Of ``texts`` that were changed, ``flipped`` got another label than before; ``share``: of these, 0 to 1."""

    texts: int
    flipped: int
    share: float


def flips(model: TextModel[Scores], changed: Mapping[int, str], before: Sequence[Label]) -> Flips:
    """``changed``: by the number of the text, what became of it; ``before``: the labels of all texts as they were."""
    after = labels_of(list(answers(model, list(changed.values()))))
    flipped = sum(label != before[number] for number, label in zip(changed, after, strict=True))
    return Flips(len(changed), flipped, flipped / len(changed) if changed else 0.0)
