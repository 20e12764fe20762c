"""A product's sentences: each sentiment by its share, the most central first, and a headline that they bear out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import LABELS, Evidence, Label
from stream_app.steps.product_text import (
    MAX_SENTENCES,
    checked_headline,
    choose,
    prevailing_label,
    shortened,
    text_of,
)


def item(review_id: str, label: Label | None = "positive", sentence: str = "It works well every day.") -> Evidence:
    return Evidence(review_id, 0, 1000, label, 0, None, sentence)


def labels_of(chosen: list[Evidence]) -> list[Label | None]:
    return [one.label for one in chosen]


def many(**counts: int) -> list[Evidence]:
    return [item(f"{label}-{n}", label) for label, count in counts.items() for n in range(count)]  # type: ignore[arg-type]


_evidence = st.lists(
    st.builds(
        Evidence,
        review_id=st.integers(0, 10**6).map(str),
        revision=st.just(0),
        created_at_ms=st.integers(0, 1000),
        label=st.sampled_from([*LABELS, None]),
        p_negative=st.just(0),
        rating=st.none(),
        sentence=st.sampled_from(["The lid broke after a week.", "Love this kettle, boils fast.", "Fine.", ""]),
    ),
    max_size=30,
    unique_by=lambda one: one.review_id,
)


@given(_evidence)
def test_chosen_are_few_and_of_the_evidence(evidence: list[Evidence]) -> None:
    chosen = choose(evidence)

    assert len({one.review_id for one in chosen}) == len(chosen) <= MAX_SENTENCES
    assert all(one in evidence and one.sentence for one in chosen)
    assert bool(chosen) == any(one.sentence for one in evidence)


@given(_evidence)
def test_order_of_the_evidence_does_not_matter(evidence: list[Evidence]) -> None:
    assert choose(evidence) == choose(evidence[::-1])


@given(_evidence)
def test_sentiment_of_a_fifth_is_never_left_out(evidence: list[Evidence]) -> None:
    judged = [one for one in evidence if one.label and one.sentence]
    chosen = labels_of(choose(evidence))

    for label in LABELS:
        share = labels_of(judged).count(label)
        if share and share * 5 >= len(judged):
            assert label in chosen


def test_seats_are_shared_by_sentiment() -> None:
    assert labels_of(choose(many(positive=6, negative=4))) == ["positive"] * 3 + ["negative"] * 2


def test_reviews_without_sentiment_stand_in_only_where_no_other_exists() -> None:
    unjudged = [item("u1", None), item("u2", None)]

    assert labels_of(choose([*unjudged, item("a")])) == ["positive"]
    assert len(choose(unjudged)) == 2


def test_what_most_others_say_comes_first() -> None:
    evidence = [
        item("odd", sentence="My uncle lives in Ohio with two dogs."),
        item("central", sentence="The kettle boils water fast."),
        item("other", sentence="This kettle boils water really fast."),
    ]

    assert choose(evidence)[-1].review_id == "odd"


def test_worse_of_two_equal_sentiments_prevails() -> None:
    assert prevailing_label(many(positive=2, negative=2)) == "negative"
    assert prevailing_label(many(positive=3, negative=2)) == "positive"
    assert prevailing_label([item("a", None)]) is None


def test_headline_that_the_sentences_bear_out_is_taken() -> None:
    chosen: list[Any] = [item("a", "negative", "The lid broke after a week."), item("b", "negative", "Lid is flimsy.")]

    assert checked_headline("Lid broke", chosen) == ("Lid broke", "abstractive")


def test_made_up_or_missing_headline_is_replaced_by_the_first_sentence() -> None:
    chosen = [item("a", "negative", "The lid broke after a week.")]

    for proposed in ("Great toaster", None, ""):
        assert checked_headline(proposed, chosen) == ("The lid broke after a week.", "extractive")


def test_headline_of_reviews_without_sentiment_is_their_sentence() -> None:
    assert checked_headline("It works", [item("a", None, "It works.")]) == ("It works.", "extractive")


def test_text_is_the_sentences() -> None:
    assert text_of([item("a", sentence="One."), item("b", sentence="Two.")]) == "One. Two."


@given(st.text(max_size=200), st.integers(2, 100))
def test_shortened_text_keeps_its_bound(text: str, characters: int) -> None:
    short = shortened(text, characters)

    assert len(short) <= characters
    assert short == text or short.endswith("…")


def test_text_is_shortened_after_a_word() -> None:
    assert shortened("The lid broke after a week", 16) == "The lid broke…"
