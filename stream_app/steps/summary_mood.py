"""Finds the sentence that a summary was taken from, and whether it says the opposite of the whole review."""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.records import LABELS, Label, SentenceScores
from stream_app.steps.summary_text import is_copied

_OPPOSITE: dict[Label, int] = {
    "negative": LABELS.index("positive"),
    "positive": LABELS.index("negative"),
}
_SURE = 0.5


def is_of_other_mood(summary: str, source: str, sentences: Sequence[SentenceScores], label: Label | None) -> bool:
    """Is it copied from a sentence that praises in a negative review, or complains in a positive one?

    ``source``: what the classifier read; ``sentences``: as it judged them. False where that is not known, as of a
    summary in other words, or by a classifier that judges whole texts alone.
    """
    if label is None or label not in _OPPOSITE:
        return False
    opposite = _OPPOSITE[label]
    of = [
        one.probabilities[opposite]
        for one in sentences
        if one.probabilities and is_copied(summary, source[one.start : one.end])
    ]
    return bool(of) and min(of) > _SURE
