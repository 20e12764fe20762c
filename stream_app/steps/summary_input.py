"""What the summarizer reads of a review."""

from __future__ import annotations

from stream_app.records import Label


def summary_input(text: str, label: Label | None) -> str:
    """The text, with the review's label in front: it asks for a line of that mood. Without a label the text alone."""
    return text if label is None else f"{label}: {text}"
