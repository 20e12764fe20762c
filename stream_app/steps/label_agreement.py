"""Do sentences, and summaries made of them, say what their review's label says?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from stream_app.records import LABELS, Label, Scores, SentenceScores, Span
from stream_app.steps.prepare import span_in_text
from stream_app.steps.summary_text import is_copied

_OPPOSITE: dict[Label, int] = {
    "negative": LABELS.index("positive"),
    "positive": LABELS.index("negative"),
}
_LEAST_OPPOSITE = 0.5
_LEAST_PROBABILITY = 0.6
_LEAST_OF_LINE = 0.28  # below it lines are mostly no sentences, or of the opposite sentiment (decision 43)
_MOST_SENTENCES = 3  # with all of them, or one, fewer lines agree with the review or tell what it is about


def has_polarity(label: Label | None) -> TypeGuard[Label]:
    """Is it one that a sentence can contradict? A neutral review praises and blames."""
    return label is not None and label in _OPPOSITE


def agreeing_sentences(
    sentences: Sequence[SentenceScores], label: Label | None, text_start: int = 0
) -> list[tuple[SentenceScores, Span]]:
    """The sentences that praise in a positive review, or complain in a negative one, and where they stand in its text:
    at most 3, in order.

    Those of the highest probability, and the likeliest one where none is likely. Empty where the label is neutral or
    nothing is known. ``text_start``: where the review's text begins in what the classifier read.
    """
    if not has_polarity(label):
        return []
    own = LABELS.index(label)
    judged = [
        (one.probabilities[own], one, span)
        for one in sentences
        if one.probabilities and (span := span_in_text(one, text_start))
    ]
    likeliest = sorted(judged, key=lambda one: -one[0])[:_MOST_SENTENCES]
    found = [one for one in likeliest if one[0] > _LEAST_PROBABILITY] or likeliest[:1]
    return [(one, span) for _, one, span in sorted(found, key=lambda one: one[1].start)]


def contradicts_label(summary: str, source: str, sentences: Sequence[SentenceScores], label: Label | None) -> bool:
    """Is it copied from a sentence that praises in a negative review, or complains in a positive one?

    ``source``: what the classifier read; ``sentences``: as it judged them. False where that is not known, as of a
    summary in other words, or by a classifier that judges whole texts alone.
    """
    if not has_polarity(label):
        return False
    opposite = _OPPOSITE[label]
    of = [
        one.probabilities[opposite]
        for one in sentences
        if one.probabilities and is_copied(summary, source[one.start : one.end])
    ]
    return bool(of) and min(of) > _LEAST_OPPOSITE


def line_agrees(line: Scores, label: Label | None) -> bool:
    """May a line stand for a review of this label? ``line``: as the classifier judged it alone.

    Any may where the label has no polarity.
    """
    if not has_polarity(label):
        return True
    return (line.positive if label == "positive" else line.negative) >= _LEAST_OF_LINE
