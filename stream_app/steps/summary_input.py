"""What the summarizer reads of a review."""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.records import LABELS, Label, SentenceScores
from stream_app.steps.label_agreement import agreeing_sentences

_ENDS = (".", "!", "?", "…", ":", ";", ",", ")", '"', "'", "”", "’")


def summary_input(
    text: str,
    label: Label | None,
    sentences: Sequence[SentenceScores] = (),
    text_start: int = 0,
    *,
    reads_label: bool = True,
    truncated: bool = False,
) -> str:
    """The sentences of the text that say what the review does (``agreeing_sentences``), with its label in front: it
    asks for a line of that sentiment. The whole text where nothing is known of sentences; that alone without a label,
    or for a summarizer that reads none.

    ``sentences``: as the classifier judged them; ``text_start``: where the text begins in what it read, ``truncated``:
    it read only the beginning, and the last sentence ends where that ends.
    """
    if label is None or not reads_label:
        return text
    whole = sentences[:-1] if truncated else sentences
    chosen = " ".join(_ended(text[span.start : span.end]) for _, span in agreeing_sentences(whole, label, text_start))
    return f"{label}: {chosen or text}"


def label_of(read: str) -> Label | None:
    """The label in front of what ``summary_input`` made."""
    begins = read.partition(": ")[0]
    return next((label for label in LABELS if label == begins), None)


def _ended(sentence: str) -> str:
    """With a full stop where a line break ended it: else T5 would read two sentences as one."""
    return sentence if sentence.endswith(_ENDS) else f"{sentence}."
