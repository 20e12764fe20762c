"""What the view keeps of a review's text: whole sentences, which a product's text and its aspects may quote."""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.records import Mention, Opinion, Span
from stream_app.steps.aspects import known_ids
from stream_app.steps.sentences import sentences
from stream_app.steps.summary_text import shortened

MAX_KEPT_CHARACTERS = 300
"""Of one review, so that a product's newest reviews take a known amount of Redis. Twice as many make the texts of
products no better (docs/decisions/0021-product-text.md)."""


def kept_sentences(text: str, kept: Sequence[Span]) -> str:
    """The sentences of ``kept_spans``, one a line."""
    return "\n".join(text[span.start : span.end] for span in kept)


def kept_spans(text: str, key: Span | None) -> list[Span]:
    """The first sentences of a text and its key sentence, in their order; a longer sentence is cut.

    ``key``: the span of the review's key sentence, where it has one.
    """
    spans = sentences(text)
    if not spans:
        return []
    first = shortened(text, key or spans[0])
    kept, characters = [first], first.end - first.start
    for span in (span for span in spans if span.end <= first.start or first.end <= span.start):
        characters += span.end - span.start + 1
        if characters > MAX_KEPT_CHARACTERS:
            break
        kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def kept_mentions(kept: Sequence[Span], opinions: Sequence[Opinion]) -> tuple[Mention, ...]:
    """The kept sentences that an opinion about known aspects begins in, by where they stand in ``kept_sentences``."""
    found = []
    at = 0
    for span in kept:
        end = at + span.end - span.start
        for opinion in opinions:
            aspects = tuple(sorted(known_ids().intersection(opinion.aspects)))
            if aspects and span.start <= opinion.span.start < span.end:
                found.append(Mention(at, end, opinion.label, aspects))
        at = end + 1  # a line break
    return tuple(found)
