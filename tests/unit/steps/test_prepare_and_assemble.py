"""A review made ready for the models, and put together with what they said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app import contract
from stream_app.records import (
    EnrichedReview,
    ModelName,
    Opinion,
    Position,
    Review,
    Scores,
    SentenceScores,
    Sentiment,
    Span,
)
from stream_app.steps import assemble, prepare
from stream_app.steps.prepare import Prepared, Unusable
from tests.schemas import validator

BERT, T5 = ModelName("bert", "1"), ModelName("t5", "2")
LONG = "The lid broke after two weeks. I am very disappointed with it. " + "The water boils fast and it is quiet. " * 3
NEGATIVE = Sentiment("negative", 0.9, (0.9, 0.06, 0.04))
POSITIVE = Sentiment("positive", 0.9, (0.04, 0.06, 0.9))


def review(text: str, **fields: Any) -> Review:
    return replace(Review("p", "r", 0, "created", 1_000), text=text, **fields)


def prepared(of: Review, languages: frozenset[str] | None = None) -> Prepared:
    ready = prepare.prepare(of, languages)
    assert isinstance(ready, Prepared)
    return ready


def assembled(of: Review, languages: frozenset[str] | None = None, **said: Any) -> EnrichedReview:
    answers: dict[str, Any] = {
        "sentiment": NEGATIVE,
        "sentiment_missing": None,
        "truncated": False,
        "abstract": None,
        "with_summary": True,
    }
    return assemble.assemble(
        of,
        prepared(of, languages),
        **answers | said,
        min_words=20,
        sentiment_model=BERT,
        summary_model=T5,
        enrichment_version=1,
        now_ms=2_000,
        position=Position("reviews", 1, 2),
    )


def test_reviews_prepared_together_are_what_each_is_alone() -> None:
    texts = ["It caught fire.", "<p></p>", "Nice.", "Für mich zu Smoke-lastig", "No fire at all"]
    reviews = [review(text, title=title) for text in texts for title in (None, "Unsafe!", "Good")]

    together = prepare.prepare_all(reviews, frozenset({"en"}))

    assert together == [prepare.prepare(one, frozenset({"en"})) for one in reviews]
    assert [one.safety_words for one in together if isinstance(one, Prepared)][:3] == [
        ("fire",),
        ("unsafe", "fire"),
        ("fire",),
    ]


def test_review_is_cleaned_masked_and_flagged() -> None:
    """Title and text alike."""
    ready = prepared(review("<b>It caught fire!</b> Mail me@example.com", title="It &amp; me &lt;3"))

    assert (ready.title, ready.text) == ("It & me <3", "It caught fire! Mail [email]")
    assert ready.flags == ("markup_removed", "private_data_masked", "safety_words")
    assert ready.safety_words == ("fire",)


def test_personal_data_in_a_title_is_masked() -> None:
    ready = prepared(review("It works.", title="Call 704-555-0142"))
    assert (ready.title, ready.text) == ("Call [phone]", "It works.")
    assert ready.flags == ("private_data_masked",)


def test_danger_in_the_title_counts() -> None:
    """Many people say the most important thing there."""
    assert prepared(review("Bad.", title="Caught fire")).safety_words == ("fire",)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<p> </p>", "\u200b\x00", "&nbsp;"])
def test_review_of_which_nothing_is_left_is_unusable(text: str) -> None:
    """It is rejected as an empty one is."""
    unusable = prepare.prepare(review(text), None)

    assert isinstance(unusable, Unusable)
    assert unusable.reason == "empty_text"


@pytest.mark.parametrize(
    ("title", "read"),
    [(None, "Good."), ("Nice", "Nice. Good."), ("Nice!", "Nice! Good."), ("<br>", "Good.")],
)
def test_classifier_reads_title_and_text(title: str | None, read: str) -> None:
    """As two sentences."""
    assert prepared(review("Good.", title=title)).model_text == read


def test_language_that_no_model_reads_is_flagged_and_not_summarised() -> None:
    """It is published all the same, with the reason why it has no sentiment."""
    chinese = review("质量很好，物流也快。" * 9, language="en")
    ready = prepared(chinese, frozenset({"en"}))

    assert (ready.language, ready.supported, ready.flags) == ("zh", False, ("unsupported_language",))
    assert not prepare.needs_summary(ready, 20)
    enriched = assembled(chinese, frozenset({"en"}), sentiment=None, sentiment_missing=prepare.UNSUPPORTED_LANGUAGE)
    assert (enriched.sentiment, enriched.sentiment_missing) == (None, "unsupported_language")
    assert enriched.sentiment_model is None
    assert enriched.summary_method == "extractive"


@pytest.mark.parametrize(
    ("text", "title"), [("Le couvercle s'est cassé en deux semaines", None), ("Bof", "Très déçue par cet achat")]
)
def test_french_without_a_stated_language_is_flagged(text: str, title: str | None) -> None:
    """An English model used to read it."""
    ready = prepared(review(text, title=title), frozenset({"en"}))

    assert (ready.language, ready.supported, ready.flags) == ("fr", False, ("unsupported_language",))


@pytest.mark.parametrize("text", ["ok", "Nespresso Vertuo", "👍"])
def test_review_too_short_to_tell_its_language_is_read(text: str) -> None:
    ready = prepared(review(text), frozenset({"en"}))

    assert (ready.language, ready.supported, ready.flags) == ("und", True, ())


def test_sentiment_is_the_largest_probability_in_four_decimals() -> None:
    """Label and confidence are of the rounded ones, so that readers who compare agree."""
    assert assemble.sentiment_of(Scores(0.123456, 0.2, 0.676544)) == Sentiment(
        "positive", 0.6765, (0.1235, 0.2, 0.6765)
    )


@given(st.floats(0, 1, width=32))
def test_probabilities_of_a_model_are_rounded_as_python_rounds(p: float) -> None:
    """Models compute in single precision; for these the quick way of rounding is exact."""
    assert assemble.sentiment_of(Scores(p, p, p)).scores == (round(p, 4),) * 3


def test_short_review_is_its_own_summary() -> None:
    """No model is asked; none is named."""
    enriched = assembled(review("Good, cheap and quick."), sentiment=POSITIVE)

    assert (enriched.summary, enriched.summary_method) == ("Good, cheap and quick.", "own_text")
    assert enriched.summary_model is None


def test_few_words_of_many_characters_are_no_summary() -> None:
    """One word of 20,000 characters is cut."""
    enriched = assembled(review("a" * 20_000))

    assert enriched.summary == "a" * 300
    assert enriched.summary_method == "extractive"


def test_summary_of_the_model_is_taken_where_the_review_bears_it_out() -> None:
    """And its model is named."""
    enriched = assembled(review(LONG), abstract="Lid broke after two weeks")

    assert (enriched.summary, enriched.summary_method) == ("Lid broke after two weeks", "abstractive")
    assert (enriched.sentiment_model, enriched.summary_model) == (BERT, T5)


@pytest.mark.parametrize("abstract", ["Handle fell off", "Not quiet at all", "", None])
def test_otherwise_the_best_sentence_is(abstract: str | None) -> None:
    """Also where the model did not answer in time."""
    enriched = assembled(review(LONG), abstract=abstract)

    assert enriched.summary_method == "extractive"
    assert enriched.summary is not None
    assert enriched.summary in LONG
    assert enriched.summary_model is None


def test_no_summary_where_they_are_off() -> None:
    """Not even an extractive one."""
    enriched = assembled(review(LONG), with_summary=False)

    assert (enriched.summary, enriched.summary_method) == (None, "none")


@pytest.mark.parametrize(
    ("rating", "sentiment", "mismatch"),
    [
        (5, NEGATIVE, True),
        (4, NEGATIVE, True),
        (3, NEGATIVE, False),
        (1, POSITIVE, True),
        (1, NEGATIVE, False),
        (None, NEGATIVE, False),
        (5, None, False),
    ],
)
def test_stars_that_contradict_the_words_are_flagged(
    rating: int | None, sentiment: Sentiment | None, mismatch: bool
) -> None:
    """Both are published as they are."""
    assert ("rating_mismatch" in assembled(review("Bad.", rating=rating), sentiment=sentiment).flags) == mismatch


@pytest.mark.parametrize(
    ("sentiment", "rating", "doubts"),
    [
        (Sentiment("neutral", 0.5999, (0.3, 0.5999, 0.1001)), None, ("low_confidence",)),
        (Sentiment("neutral", 0.6, (0.3, 0.6, 0.1)), None, ()),
        (Sentiment("positive", 0.4, (0.35, 0.25, 0.4)), 1, ("low_confidence",)),  # too unsure to be against the stars
        (Sentiment("positive", 0.7999, (0.1, 0.1001, 0.7999)), 1, ()),
        (Sentiment("positive", 0.8, (0.1, 0.1, 0.8)), 1, ("rating_mismatch",)),
        (Sentiment("neutral", 0.99, (0.0, 0.99, 0.01)), 1, ()),
        (Sentiment("neutral", 0.99, (0.0, 0.99, 0.01)), 5, ()),
        (None, 1, ()),
    ],
)
def test_label_is_doubted_where_it_is_unsure_or_surely_against_the_stars(
    sentiment: Sentiment | None, rating: int | None, doubts: tuple[str, ...]
) -> None:
    """Never both: what is unsure contradicts nothing."""
    assert assemble.doubts_of(sentiment, rating) == doubts


def test_review_with_an_unsure_label_is_flagged() -> None:
    unsure = Sentiment("negative", 0.45, (0.45, 0.3, 0.25))

    assert "low_confidence" in assembled(review("It is a lid."), sentiment=unsure).flags
    assert "low_confidence" not in assembled(review("It is a lid."), sentiment=NEGATIVE).flags
    assert "low_confidence" not in assembled(review("It is a lid."), sentiment=None).flags


def test_truncated_review_says_so() -> None:
    """The models read the beginning only."""
    enriched = assembled(review(LONG), truncated=True)

    assert enriched.truncated
    assert "truncated" in enriched.flags


def test_key_sentence_points_into_the_published_text() -> None:
    """Offsets are into the cleaned text, in code points."""
    enriched = assembled(review("<p>😀 It came.</p><p>It caught fire!</p>"))

    assert enriched.text is not None
    assert enriched.key_sentence is not None
    assert enriched.text[enriched.key_sentence.start : enriched.key_sentence.end] == "It caught fire!"


def test_praise_has_no_key_sentence() -> None:
    """It is the sentence of a complaint."""
    assert assembled(review("Good. Nice."), sentiment=POSITIVE).key_sentence is None


def test_deletion_is_published_without_text() -> None:
    """Readers learn which review is gone, and from which revision on."""
    gone = Review("p", "r", 7, "deleted", 1_000, updated_at_ms=1_500)
    enriched = assemble.deletion(gone, enrichment_version=2, now_ms=2_000, position=Position("reviews", 1, 2))

    assert (enriched.kind, enriched.revision, enriched.enrichment_version) == ("deleted", 7, 2)
    assert (enriched.text, enriched.title, enriched.sentiment, enriched.summary) == (None, None, None, None)


@given(
    st.text(max_size=300) | st.text("<>&; .!?a1-@\n\u200d好", max_size=300),
    st.none() | st.text(max_size=30),
    st.none() | st.text(max_size=30),
)
def test_any_text_and_any_answer_end_in_a_valid_enriched_review(
    text: str, title: str | None, abstract: str | None
) -> None:
    """Or it is unusable: nothing that people write, or a model makes up, raises or breaks the contract."""
    of = review(text, title=title, language=title)
    if isinstance(prepare.prepare(of, None), Unusable):
        return

    enriched = assembled(of, abstract=abstract)

    value = json.loads(contract.encode_enriched(enriched))
    validator("enriched-review.v1").validate(value)


def test_enriched_review_carries_what_its_sentences_say() -> None:
    """The key sentence is one that was judged; without judged sentences there are no opinions."""
    of = review("The lid broke. Nobody answers my letters.", title="Sad")
    judged = (
        SentenceScores(0, 4, (0.9, 0.05, 0.05), 0.0),
        SentenceScores(5, 19, (0.7, 0.2, 0.1), 0.0, ("durability",)),
        SentenceScores(20, 46, (0.98765, 0.01, 0.0), 0.0, ("service",)),
    )
    enriched = assembled(of, sentences=judged)

    assert enriched.opinions == (
        Opinion(Span(0, 14), "negative", 0.7, ("durability",)),
        Opinion(Span(15, 41), "negative", 0.9876, ("service",)),
    )
    assert enriched.key_sentence == Span(15, 41)
    validator("enriched-review.v1").validate(json.loads(contract.encode_enriched(enriched)))
    assert assembled(of).opinions is None
    assert b"opinions" not in contract.encode_enriched(assembled(of))
    assert assembled(of).key_sentence == Span(0, 14)


def test_content_review_of_a_hazard_has_a_key_sentence() -> None:
    of = review("I love it. The pin went right into my thumb.")
    judged = (SentenceScores(0, 10, (0.0, 0.1, 0.9), 0.0), SentenceScores(11, 44, (0.2, 0.6, 0.2), 0.99))

    enriched = assembled(of, sentences=judged, sentiment=POSITIVE)

    assert enriched.key_sentence == Span(11, 44)
    assert enriched.opinions is not None
    assert [one.hazard for one in enriched.opinions] == [False, True]
