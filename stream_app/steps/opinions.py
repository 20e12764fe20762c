"""Chooses what to publish of the sentences that the classifier judged (of some the clauses, see clauses.py), and finds
those that speak of a hazard.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.records import LABELS, Opinion, SentenceScores, Span
from stream_app.steps.prepare import Prepared, span_in_text
from stream_app.steps.summary_text import key_sentence, shortened

MAX_OPINIONS = 12
"""Of a review: longer ones repeat themselves, and every reader of the topic pays for each."""
HAZARD_THRESHOLD = 0.5
"""From here on a sentence speaks of a hazard. A card says how sure its model must be for it (``hazard_threshold``)."""
_NEUTRAL = LABELS.index("neutral")


def hazard_in(sentences: Sequence[SentenceScores]) -> SentenceScores | None:
    """The sentence that speaks of a hazard most surely; None: none does."""
    surest = max(sentences, key=lambda one: one.hazard, default=None)
    return surest if surest is not None and surest.hazard >= HAZARD_THRESHOLD else None


def opinions_of(prepared: Prepared, sentences: Sequence[SentenceScores]) -> tuple[Opinion, ...] | None:
    """The telling sentences of the text, in its order: negative or positive ones that are not doubtful, and hazards.

    Of more than MAX_OPINIONS hazards come first, then those of the highest confidence. None where the sentiment of
    sentences was not judged. Those of the title are left out: offsets are into the text.
    """
    if not sentences or sentences[0].probabilities is None:
        return None
    found = []
    for one in sentences:
        assert one.probabilities is not None
        confidence = max(one.probabilities)
        label = one.probabilities.index(confidence)
        hazard = one.hazard >= HAZARD_THRESHOLD
        tells = label != _NEUTRAL and not one.doubtful
        if (hazard or tells) and (span := span_in_text(one, prepared.text_start)):
            found.append(Opinion(span, LABELS[label], round(confidence * 10_000) / 10_000, one.aspects, hazard))
    if len(found) > MAX_OPINIONS:
        surest = sorted(found, key=lambda one: (not one.hazard, -one.confidence))[:MAX_OPINIONS]
        found = sorted(surest, key=lambda one: one.span.start)
    return tuple(found)


def weightiest(prepared: Prepared, sentences: Sequence[SentenceScores]) -> Span | None:
    """The sentence of the text that weighs most in a complaint.

    1. the one that speaks of a hazard most surely
    2. by its words, where safety terms stand in the review or the sentiment of sentences was not judged
    3. the most negative one
    """
    hazard = hazard_in(sentences)
    if hazard is not None and (span := span_in_text(hazard, prepared.text_start)):
        return shortened(prepared.text, span)
    judged = [
        (one.probabilities[0], span)
        for one in sentences
        if one.probabilities and (span := span_in_text(one, prepared.text_start))
    ]
    if prepared.safety_words or not judged:
        return key_sentence(prepared.text, bool(prepared.safety_words))
    return shortened(prepared.text, max(judged, key=lambda one: one[0])[1])


def words_of(prepared: Prepared, sentence: SentenceScores) -> str:
    """What the sentence says, as it is published: of the text, or the title."""
    span = span_in_text(sentence, prepared.text_start)
    if span is None:
        title = prepared.title or ""
        span = shortened(title, Span(sentence.start, min(sentence.end, len(title))))
        return title[span.start : span.end]
    span = shortened(prepared.text, span)
    return prepared.text[span.start : span.end]
