"""Which sentences of a review are published, by what the classifier said of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream_app.records import Opinion, Review, SentenceScores, Span
from stream_app.steps.opinions import (
    HAZARD_THRESHOLD,
    MAX_OPINIONS,
    hazard_in,
    opinions_of,
    weightiest,
    words_of,
)
from stream_app.steps.prepare import Prepared, prepare
from stream_app.steps.sentences import sentences
from stream_app.steps.summary_text import MAX_SENTENCE_CHARACTERS

TEXT = "It came in May. The lid broke. The colour is lovely. A sliver was in the jar."
NEUTRAL, NEGATIVE, POSITIVE = (0.1, 0.8, 0.1), (0.9, 0.06, 0.04), (0.02, 0.03, 0.95)
HAZARD = 0.97


def prepared(text: str = TEXT, title: str | None = None) -> Prepared:
    ready = prepare(replace(Review("p", "r", 0, "created", 0), text=text, title=title), None)
    assert isinstance(ready, Prepared)
    return ready


def judged(of: Prepared, *said: Any) -> tuple[SentenceScores, ...]:
    """The sentences of what the model reads, each with (probabilities, hazard, aspects)."""
    spans = sentences(of.model_text)
    return tuple(SentenceScores(span.start, span.end, *one) for span, one in zip(spans, said, strict=True))


SAID = (
    (NEUTRAL, 0.0, ("delivery",)),
    (NEGATIVE, 0.1, ("durability",)),
    (POSITIVE, 0.0, ("look", "material")),
    (NEUTRAL, HAZARD, ("safety",)),
)


def said(of: Prepared, span: Span | None) -> str:
    assert span is not None
    return of.text[span.start : span.end]


def test_opinions_are_the_sentences_that_judge_and_those_of_hazards() -> None:
    assert opinions_of(prepared(), judged(prepared(), *SAID)) == (
        Opinion(Span(16, 30), "negative", 0.9, ("durability",)),
        Opinion(Span(31, 52), "positive", 0.95, ("look", "material")),
        Opinion(Span(53, 77), "neutral", 0.8, ("safety",), hazard=True),
    )


def test_doubtful_sentences_are_no_opinions_unless_they_speak_of_a_hazard() -> None:
    """A hazard is worth an error; the praise of a whole review is not worth an invented complaint."""
    doubtful = tuple(replace(one, doubtful=True) for one in judged(prepared(), *SAID))

    found = opinions_of(prepared(), doubtful)

    assert found is not None
    assert [said(prepared(), one.span) for one in found] == ["A sliver was in the jar."]


@pytest.mark.parametrize("title", ["My jar", "Mein Glas!", "质量太差了。", "👍👍"])
def test_offsets_are_into_the_published_text_whatever_the_title(title: str) -> None:
    """Code points, behind the title and what is put between; the title's own sentence is left out."""
    review = prepared(title=title)
    found = opinions_of(review, judged(review, (POSITIVE, 0.0, ()), *SAID))

    assert found is not None
    assert [said(review, one.span) for one in found] == [
        "The lid broke.",
        "The colour is lovely.",
        "A sliver was in the jar.",
    ]


def test_a_sentence_that_begins_in_the_title_is_cut_to_the_text() -> None:
    review = prepared(text="size runs large. It broke.", title="Sturdy, but the approx")
    both, last = sentences(review.model_text)
    assert both.start == 0
    scores = (SentenceScores(0, both.end, NEGATIVE, 0.0), SentenceScores(last.start, last.end, NEGATIVE, 0.0))

    found = opinions_of(review, scores)

    assert found is not None
    assert [said(review, one.span) for one in found] == ["size runs large.", "It broke."]


def test_where_no_sentence_was_judged_there_are_no_opinions() -> None:
    """None, not an empty list, which says that nothing was stated."""
    assert opinions_of(prepared(), ()) is None
    assert opinions_of(prepared("It came."), judged(prepared("It came."), (NEUTRAL, 0.0, ()))) == ()


def test_of_many_opinions_hazards_and_the_surest_stay_in_the_order_of_the_text() -> None:
    review = prepared(" ".join(f"It broke {n} times." for n in range(20)))
    confidences = [0.5 + n / 100 for n in range(20)]
    scores = judged(
        review, *(((of, (1 - of) / 2, (1 - of) / 2), HAZARD * (n == 3), ()) for n, of in enumerate(confidences))
    )

    found = opinions_of(review, scores)

    assert found is not None
    assert len(found) == MAX_OPINIONS
    assert [said(review, one.span) for one in found] == [f"It broke {n} times." for n in (3, *range(9, 20))]


def test_a_hazard_is_one_from_the_threshold() -> None:
    scores = judged(prepared(), *((NEUTRAL, HAZARD_THRESHOLD - step, ()) for step in (0.3, 0.0, 0.2, 0.1)))
    assert hazard_in(scores) == scores[1]
    assert hazard_in(scores[2:]) is None
    assert hazard_in(()) is None


def test_the_weightiest_sentence_is_the_hazard_else_the_most_negative() -> None:
    review = prepared()
    scores = judged(review, *SAID)
    assert said(review, weightiest(review, scores)) == "A sliver was in the jar."
    assert said(review, weightiest(review, scores[:3])) == "The lid broke."


def test_by_words_where_they_name_the_hazard_or_nothing_was_judged() -> None:
    """The model may miss what a term names."""
    review = prepared("The lid is bad. It caught fire. I am fine.")
    scores = judged(review, (NEGATIVE, 0.0, ()), (NEUTRAL, 0.1, ()), (POSITIVE, 0.0, ()))
    assert said(review, weightiest(review, scores)) == "It caught fire."
    assert said(prepared(), weightiest(prepared(), ())) == "The lid broke."


def test_a_title_is_never_the_weightiest_sentence_of_the_text() -> None:
    review = prepared(title="Straight into my thumb")
    scores = judged(review, (NEGATIVE, HAZARD, ()), *SAID[:3], (NEUTRAL, 0.0, ()))
    assert said(review, weightiest(review, scores)) == "The lid broke."
    assert said(review, weightiest(review, scores[:1])) == "The lid broke."  # by its words
    assert words_of(review, scores[0]) == "Straight into my thumb"
    assert words_of(review, scores[2]) == "The lid broke."


def test_a_long_sentence_is_cut_as_any_other() -> None:
    review = prepared("The lid broke " + "and broke " * 60)
    [sentence] = judged(review, (NEGATIVE, HAZARD, ()))
    assert len(words_of(review, sentence)) <= MAX_SENTENCE_CHARACTERS
    assert said(review, weightiest(review, (sentence,))) == words_of(review, sentence)


def test_a_model_that_learned_hazards_alone_has_no_opinions() -> None:
    review = prepared()
    scores = judged(review, *((None, of, ()) for of in (0.0, 0.1, 0.0, HAZARD)))
    assert opinions_of(review, scores) is None
    assert hazard_in(scores) == scores[3]
    assert said(review, weightiest(review, scores)) == "A sliver was in the jar."
    assert said(review, weightiest(review, scores[:3])) == "The lid broke."  # by its words
