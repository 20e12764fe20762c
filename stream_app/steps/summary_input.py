"""What the summarizer reads of a review."""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.records import Label, SentenceScores
from stream_app.steps.summary_mood import telling

_ENDS = (".", "!", "?", "…", ":", ";", ",", ")", '"', "'", "”", "’")


def summary_input(text: str, label: Label | None, sentences: Sequence[SentenceScores] = (), text_start: int = 0) -> str:
    """The sentences of the text that say what the review does (``telling``), with its label in front: it asks for a
    line of that mood. Without a label the whole text alone; where nothing is known of sentences, the whole text.

    ``sentences``: as the classifier judged them; ``text_start``: where the text begins in what it read.
    """
    if label is None:
        return text
    chosen = " ".join(_ended(text[span.start : span.end]) for span in telling(sentences, label, text_start))
    return f"{label}: {chosen or text}"


def _ended(sentence: str) -> str:
    """With a full stop where a line break ended it: else T5 would read two sentences as one."""
    return sentence if sentence.endswith(_ENDS) else f"{sentence}."
