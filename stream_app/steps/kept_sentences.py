"""What the view keeps of a review's text: whole sentences, which a product's text, aspects and highlights may quote."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from stream_app.records import Mention, Opinion, Span
from stream_app.steps.aspects import known_ids
from stream_app.steps.sentences import sentences
from stream_app.steps.summary_text import shortened

MAX_KEPT_CHARACTERS = 300
"""Of one review, so that a product's newest reviews take a known amount of Redis. Twice as many make the texts of
products no better (docs/decisions/0021-product-text.md)."""

MAX_MENTIONS = 12
"""As many as `enrich` publishes opinions of a review: no producer can make what is kept grow."""


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


def kept_key(kept: Sequence[Span], key: Span | None) -> tuple[int, int] | None:
    """Where the key sentence stands in ``kept_sentences``, which has it always; None: the review has none."""
    moved = 0
    for span in kept:
        if key is not None and span.start == key.start:
            return moved, moved + span.end - span.start
        moved += span.end - span.start + 1  # with a line break behind each
    return None


def kept_mentions(kept: Sequence[Span], opinions: Sequence[Opinion]) -> tuple[Mention, ...]:
    """The kept sentences that an opinion begins in, by where they stand in ``kept_sentences``, with its known aspects.

    Neutral ones (hazards) only where they speak of an aspect. At most MAX_MENTIONS: those of the opinions that come
    first.
    """
    starts = [span.start for span in kept]
    moved = list(accumulate((span.end - span.start + 1 for span in kept), initial=0))  # with a line break behind each
    found: list[Mention] = []
    for opinion in opinions:
        aspects = tuple(sorted(known_ids().intersection(opinion.aspects)))
        at = bisect_right(starts, opinion.span.start) - 1
        tells = aspects or opinion.label != "neutral"
        if tells and at >= 0 and opinion.span.start < kept[at].end and len(found) < MAX_MENTIONS:
            found.append(Mention(moved[at], moved[at + 1] - 1, opinion.label, aspects, starts[at]))
    return tuple(sorted(found))
