"""The sentences of its reviews that a product's text may quote."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stream_app.records import Evidence, Mention, Span, value
from stream_app.steps.language import UNDETERMINED
from stream_app.steps.sentence_style import cost
from stream_app.steps.sentences import sentences

MOST_OF_A_REVIEW = 6
"""Sentences: what is kept of a review seldom holds more, and their number bounds the time that one product takes."""

_CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")


@value
class Quotable:
    """A sentence of a review. ``language``: an ISO 639-1 code. ``cost``: of its style, see sentence_style.

    ``mention``: the opinion in it; None where it tells none, or that was not judged. ``is_mixed``: it tells several,
    which contradict each other.
    """

    review: Evidence
    text: str
    language: str
    cost: float
    mention: Mention | None = None
    is_mixed: bool = False


def quotable(evidence: Sequence[Evidence]) -> list[Quotable]:
    """The sentences of each review, of many those of the best style; at least one of each that has any.

    In the order of review ids and, within a review, of the text: the order of ``evidence`` makes no difference.
    """
    found: list[Quotable] = []
    for item in sorted(evidence, key=lambda item: item.review_id):
        texts = {item.sentence[span.start : span.end]: span for span in reversed(sentences(item.sentence))}
        language = _language_of(item)
        opinions = {(one.start, one.end): one for one in item.mentions}
        own = [
            Quotable(item, text, language, cost(text), opinions.get((span.start, span.end)), _is_mixed(item, span))
            for text, span in reversed(texts.items())
        ]
        best = sorted(own, key=lambda one: one.cost)[:MOST_OF_A_REVIEW]
        found += [one for one in own if one in best]
    return found


def _is_mixed(item: Evidence, span: Span) -> bool:
    """Are clauses of it mentions of their own? See kept_mentions."""
    return sum(span.start <= one.start < span.end for one in item.mentions) > 1


def _language_of(item: Evidence) -> str:
    """The language that was noted; without one the text is Chinese or, as most short texts in Latin script, English."""
    if item.language not in (None, UNDETERMINED):
        return item.language
    return "zh" if _CJK.search(item.sentence) else "en"
