"""Preparing a review for the models, and putting the enriched one together from their answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream_app.records import EnrichedReview, ModelName, Position, Review, Scores
from stream_app.steps.enrich import Prepared, Unusable, assemble, deletion, needs_summary, prepare, sentiment_of

ENGLISH = frozenset({"en"})
LONG = (
    "I bought this kettle in May for my kitchen and used it daily. The lid broke after two weeks of careful use. "
    "The shop never answered any of my letters about it."
)
NEGATIVE = Scores(0.97, 0.02, 0.01)
POSITIVE = Scores(0.01, 0.02, 0.97)


def review(text: str = LONG, **changes: Any) -> Review:
    return replace(Review("p", "r", 0, "created", created_at_ms=1000, text=text), **changes)


def prepared(text: str = LONG, **changes: Any) -> Prepared:
    made = prepare(review(text, **changes), ENGLISH)
    assert isinstance(made, Prepared)
    return made


def assembled(
    text: str = LONG,
    scores: Scores | None = NEGATIVE,
    *,
    abstract: str | None = None,
    with_summary: bool = True,
    truncated: bool = False,
    missing: str | None = None,
    **changes: Any,
) -> EnrichedReview:
    return assemble(
        review(text, **changes),
        prepared(text, **changes),
        sentiment=sentiment_of(scores) if scores else None,
        sentiment_missing=missing,
        truncated=truncated,
        abstract=abstract,
        with_summary=with_summary,
        min_words=20,
        sentiment_model=ModelName("bert", "1"),
        summary_model=ModelName("t5", "1"),
        enrichment_version=3,
        now_ms=5000,
        position=Position("reviews", 1, 2),
    )


def test_what_is_published_is_cleaned_and_masked_and_says_so() -> None:
    made = prepared("<b>Nice</b>, write to me@example.com", title="<i>Good</i>")

    assert (made.text, made.title) == ("Nice, write to [email]", "Good")
    assert made.flags == ("markup_removed", "private_data_masked")


def test_plain_review_has_no_flags() -> None:
    assert prepared("It works well.", title="Good").flags == ()


def test_private_data_in_the_title_is_masked_too() -> None:
    made = prepared("Fine.", title="Write to me@example.com")

    assert made.title == "Write to [email]"
    assert made.flags == ("private_data_masked",)


def test_title_that_cleaning_empties_is_none() -> None:
    assert prepared("Fine.", title="<br>").title is None


@pytest.mark.parametrize("text", ["<br>", "\u200b", "<script>x</script>"])
def test_review_with_nothing_left_is_unusable(text: str) -> None:
    made = prepare(review(text), ENGLISH)

    assert isinstance(made, Unusable)
    assert made.reason == "empty_text"


def test_language_that_the_model_does_not_read_is_flagged() -> None:
    made = prepared("这个水壶很好用，我很喜欢")

    assert (made.language, made.supported, made.flags) == ("zh", False, ("unsupported_language",))


def test_model_of_any_language_reads_everything() -> None:
    made = prepare(review("这个水壶很好用"), None)

    assert isinstance(made, Prepared)
    assert made.supported


def test_safety_word_in_title_or_text_is_flagged() -> None:
    assert prepared("It caught fire.").safety_words == ("fire",)
    made = prepared("Never again.", title="Caught fire")
    assert (made.safety_words, made.flags) == (("fire",), ("safety_words",))


@pytest.mark.parametrize(
    ("title", "read"),
    [(None, "Fine."), ("Good", "Good. Fine."), ("Good!", "Good! Fine."), ("很好。", "很好。 Fine.")],
)
def test_classifier_reads_the_title_before_the_text(title: str | None, read: str) -> None:
    assert prepared("Fine.", title=title).model_text == read


def test_only_long_reviews_in_a_language_of_the_model_need_a_summary() -> None:
    assert needs_summary(prepared(LONG), 20)
    assert not needs_summary(prepared("Short one."), 20)
    assert not needs_summary(prepared("这个水壶很好用" * 20), 20)


def test_sentiment_is_the_largest_probability_rounded() -> None:
    sentiment = sentiment_of(Scores(0.123456, 0.2, 0.676544))

    assert (sentiment.label, sentiment.confidence, sentiment.scores) == ("positive", 0.6765, (0.1235, 0.2, 0.6765))


def test_identity_times_and_origin_are_carried_over() -> None:
    made = assembled(updated_at_ms=2000, revision=2, kind="edited", rating=1)

    assert (made.product_id, made.review_id, made.revision, made.kind) == ("p", "r", 2, "edited")
    assert (made.created_at_ms, made.updated_at_ms, made.enriched_at_ms) == (1000, 2000, 5000)
    assert (made.input, made.enrichment_version) == (Position("reviews", 1, 2), 3)


@pytest.mark.parametrize(
    ("rating", "scores", "contradicts"),
    [
        (5, NEGATIVE, True),
        (4, NEGATIVE, True),
        (3, NEGATIVE, False),
        (1, NEGATIVE, False),
        (1, POSITIVE, True),
        (2, POSITIVE, True),
        (5, POSITIVE, False),
        (None, NEGATIVE, False),
        (5, Scores(0.79, 0.2, 0.01), False),
        (5, None, False),
    ],
)
def test_stars_that_contradict_the_words_are_flagged(
    rating: int | None, scores: Scores | None, contradicts: bool
) -> None:
    assert ("rating_mismatch" in assembled(scores=scores, rating=rating).flags) is contradicts


def test_truncated_text_is_flagged() -> None:
    made = assembled(truncated=True)

    assert made.truncated
    assert "truncated" in made.flags
    assert "truncated" not in assembled().flags


def test_faithful_answer_of_t5_is_the_summary() -> None:
    made = assembled(abstract="Lid broke after two weeks")

    assert (made.summary, made.summary_method) == ("Lid broke after two weeks", "abstractive")
    assert made.summary_model == ModelName("t5", "1")


@pytest.mark.parametrize("abstract", ["Great toaster", "", None])
def test_without_a_faithful_answer_the_best_sentence_is_the_summary(abstract: str | None) -> None:
    made = assembled(abstract=abstract)

    assert made.summary_method == "extractive"
    assert made.summary
    assert made.summary in LONG
    assert made.summary_model is None


def test_short_review_is_its_own_summary() -> None:
    made = assembled("It works well.", POSITIVE)

    assert (made.summary, made.summary_method) == ("It works well.", "own_text")


def test_no_summary_where_they_are_off() -> None:
    made = assembled(abstract="Lid broke after two weeks", with_summary=False)

    assert (made.summary, made.summary_method, made.summary_model) == (None, "none", None)


def test_review_without_sentiment_says_why_and_names_no_model() -> None:
    made = assembled("这个水壶很好用", None, missing="unsupported_language")

    assert (made.sentiment, made.sentiment_missing) == (None, "unsupported_language")
    assert made.sentiment_model is None
    assert made.key_sentence is None


def test_key_sentence_is_that_of_negative_and_dangerous_reviews() -> None:
    assert assembled().key_sentence is not None
    assert assembled(scores=POSITIVE).key_sentence is None
    assert assembled("Love it. It caught fire once.", POSITIVE).key_sentence is not None


def test_deletion_has_identity_and_no_words() -> None:
    made = deletion(
        review(kind="deleted", revision=7), enrichment_version=1, now_ms=5000, position=Position("reviews", 0, 0)
    )

    assert (made.kind, made.product_id, made.review_id, made.revision) == ("deleted", "p", "r", 7)
    assert (made.text, made.title, made.summary, made.sentiment) == (None, None, None, None)
