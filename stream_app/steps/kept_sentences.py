"""What the view keeps of a review's text: whole sentences, which a product's text may quote."""

from __future__ import annotations

from stream_app.records import Span
from stream_app.steps.sentences import sentences
from stream_app.steps.summary_text import shortened

MAX_KEPT_CHARACTERS = 300
"""Of one review, so that a product's newest reviews take a known amount of Redis. Twice as many make the texts of
products no better (docs/decisions/0021-product-text.md)."""


def kept_sentences(text: str, key: Span | None) -> str:
    """The first sentences of a text and its key sentence, in their order, one a line; a longer sentence is cut.

    ``key``: the span of the review's key sentence, where it has one.
    """
    spans = sentences(text)
    if not spans:
        return ""
    first = shortened(text, key or spans[0])
    kept, characters = [first], first.end - first.start
    for span in (span for span in spans if span.end <= first.start or first.end <= span.start):
        characters += span.end - span.start + 1
        if characters > MAX_KEPT_CHARACTERS:
            break
        kept.append(span)
    return "\n".join(text[span.start : span.end] for span in sorted(kept, key=lambda span: span.start))
