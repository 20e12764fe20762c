"""What the view keeps of a review's text: whole sentences, which a product's text, aspects and highlights may quote."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from stream_app.records import Label, Mention, Opinion, Span
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
    """The first sentences of a text and the one with its key sentence, in their order; a longer sentence is cut.

    ``key``: the span of the review's key sentence, where it has one. Of a clause its sentence is kept, to be quoted.
    """
    spans = sentences(text)
    if not spans:
        return []
    whole = next((span for span in spans if key and _begins_in(key, span)), key or spans[0])
    first = shortened(text, whole)
    if key and first.end < key.end:
        first = shortened(text, key)
    kept, characters = [first], first.end - first.start
    for span in (span for span in spans if span.end <= first.start or first.end <= span.start):
        characters += span.end - span.start + 1
        if characters > MAX_KEPT_CHARACTERS:
            break
        kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def kept_key(kept: Sequence[Span], key: Span | None) -> tuple[int, int] | None:
    """Where the sentence of the key sentence stands in ``kept_sentences``, which has it always; None: there is none."""
    moved = 0
    for span in kept:
        if key is not None and _begins_in(key, span):
            return moved, moved + span.end - span.start
        moved += span.end - span.start + 1  # with a line break behind each
    return None


def kept_mentions(kept: Sequence[Span], opinions: Sequence[Opinion]) -> tuple[Mention, ...]:
    """The kept sentences that an opinion begins in, by where they stand in ``kept_sentences``, with its known aspects.

    Where several begin in one sentence, that has the aspects of all if they are of one label or complaints and hazards.
    Else each is a mention of its clause alone: a sentence that says both is quoted neither as praise nor as blame.
    Neutral ones (hazards) only where they speak of an aspect. At most MAX_MENTIONS: those of the opinions that come
    first.
    """
    starts = [span.start for span in kept]
    moved = list(accumulate((span.end - span.start + 1 for span in kept), initial=0))  # with a line break behind each
    told: dict[int, list[tuple[Opinion, frozenset[str]]]] = {}
    for opinion in opinions:
        aspects = known_ids().intersection(opinion.aspects)
        at = bisect_right(starts, opinion.span.start) - 1
        if (aspects or opinion.label != "neutral") and at >= 0 and _begins_in(opinion.span, kept[at]):
            told.setdefault(at, []).append((opinion, aspects))
    found: list[Mention] = []
    for at, of_one in told.items():
        labels: set[Label] = {opinion.label for opinion, _ in of_one}
        if len(labels) == 1 or labels == {"negative", "neutral"}:  # a neutral one is a hazard: no praise
            label = min(labels)
            aspects = frozenset().union(*(aspects for _, aspects in of_one))
            found.append(_mention(kept[at], moved[at], label, aspects, kept[at]))
        else:
            found += [_mention(kept[at], moved[at], one.label, aspects, one.span) for one, aspects in of_one]
    return tuple(sorted(found[:MAX_MENTIONS]))


def _mention(sentence: Span, moved: int, label: Label, aspects: frozenset[str], span: Span) -> Mention:
    """Of ``span``, as far as ``sentence`` holds it, which stands at ``moved`` in what is kept."""
    start, end = moved + span.start - sentence.start, moved + min(span.end, sentence.end) - sentence.start
    return Mention(start, end, label, tuple(sorted(aspects)), span.start)


def _begins_in(one: Span, span: Span) -> bool:
    return span.start <= one.start < span.end
