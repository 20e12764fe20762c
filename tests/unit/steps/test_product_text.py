"""A product's sentences: each sentiment by its share, the most central first, and a headline that they bear out."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import LABELS, Evidence, Label, Mention
from stream_app.steps.product_sentences import Quotable, quotable
from stream_app.steps.product_text import (
    MAX_SENTENCES,
    Choice,
    checked_headline,
    prevailing_label,
    shortened,
    text_of,
)
from stream_app.steps.sentence_style import is_dangling
from stream_app.steps.summary_text import word_count
from tests.unit.steps.quotes import choice_of, chosen_of, item

_POSITIVE = ("The lid closes well.", "Water boils fast.", "The handle stays cool.", "Pours cleanly into small cups.")
_NEGATIVE = ("The lid broke after a week.", "The base is rusty.", "Water smells of plastic.", "The cord is short.")


def labels_of(chosen: list[Quotable]) -> list[Label | None]:
    return [one.review.label for one in chosen]


def many(**counts: int) -> list[Evidence]:
    """So many reviews of each sentiment, each with a sentence of its own."""
    return [
        item(f"{label}-{n}", label, f"Part number {word} of the kettle is made {label}ly.")  # type: ignore[arg-type]
        for label, count in counts.items()
        for n, word in zip(range(count), "one two three four five six seven eight nine ten".split(), strict=False)
    ]


def choice(*sentences: Evidence, headline: str = "") -> Choice:
    return Choice(tuple(Quotable(one, one.sentence, "en", 0) for one in sentences), headline or sentences[0].sentence)


_evidence = st.lists(
    st.builds(
        Evidence,
        review_id=st.integers(0, 10**6).map(str),
        revision=st.just(0),
        created_at_ms=st.integers(0, 1000),
        label=st.sampled_from([*LABELS, None]),
        p_negative=st.just(0),
        rating=st.none(),
        sentence=st.sampled_from([*_POSITIVE, *_NEGATIVE, "\n".join(_POSITIVE), "Fine.", "但是很好用。", ""]),
        language=st.sampled_from(["en", "zh", None]),
    ),
    max_size=30,
    unique_by=lambda one: one.review_id,
)


@given(_evidence)
def test_chosen_are_few_and_quotes_of_different_reviews(evidence: list[Evidence]) -> None:
    chosen = chosen_of(evidence)

    assert len({one.review.review_id for one in chosen}) == len(chosen) <= MAX_SENTENCES
    assert all(one.review in evidence and one.text in one.review.sentence for one in chosen)
    assert bool(chosen) == any(one.sentence for one in evidence)


@given(_evidence)
def test_order_of_the_evidence_does_not_matter(evidence: list[Evidence]) -> None:
    assert choice_of(evidence) == choice_of(evidence[::-1])


@given(_evidence)
def test_sentiment_of_a_fifth_is_never_left_out(evidence: list[Evidence]) -> None:
    judged = [one for one in evidence if one.label and one.sentence]
    chosen = labels_of(chosen_of(evidence))

    for label in LABELS:
        share = sum(one.label == label for one in judged)
        if share and share * 5 >= len(judged):
            assert label in chosen


def test_sentences_are_shared_by_sentiment() -> None:
    shares = Counter(labels_of(chosen_of(many(positive=6, negative=4))))

    assert shares["positive"] > shares["negative"] >= 2


def test_sentiment_that_prevails_comes_first() -> None:
    labels = labels_of(chosen_of(many(positive=3, negative=6)))

    assert labels == sorted(labels, key=lambda label: label != "negative")


def test_reviews_without_sentiment_stand_in_only_where_no_other_exists() -> None:
    unjudged = [item("u1", None, _POSITIVE[0]), item("u2", None, _POSITIVE[1])]

    assert labels_of(chosen_of([*unjudged, item("a")])) == ["positive"]
    assert len(chosen_of(unjudged)) == 2


@pytest.mark.parametrize("words", [20, 60])
def test_text_is_about_as_long_as_asked_for(words: int) -> None:
    chosen = chosen_of(many(positive=10), words)

    assert 0.7 * words <= word_count(text_of(chosen)) <= 1.25 * words


def test_same_sentence_is_quoted_once() -> None:
    evidence = [item(str(n)) for n in range(5)]

    assert [one.text for one in chosen_of(evidence)] == ["It works well every day."]


def test_what_most_others_say_comes_before_what_one_says() -> None:
    evidence = [
        item("odd", sentence="The uncle of Ohio lives with two dogs."),
        item("central", sentence="The kettle boils water fast."),
        item("other", sentence="This kettle boils water really fast."),
    ]

    assert chosen_of(evidence, words=5)[0].review.review_id in ("central", "other")


def test_sentence_about_the_product_is_quoted_and_not_the_story_of_its_buyer() -> None:
    story = "I bought this kettle for my husband because I boil water fast.\nThis kettle boils water fast."
    evidence = [item("a", sentence=story), item("b", sentence="A kettle that boils water fast.")]

    assert "husband" not in text_of(chosen_of(evidence))


def test_negative_review_is_quoted_with_its_complaint() -> None:
    evidence = [
        item("a", "negative", "The kettle looks lovely and beautiful.\nThe kettle broke and is useless."),
        item("b", "negative", "A lovely, beautiful kettle.\nThis kettle is broken."),
    ]

    assert "useless" in text_of(chosen_of(evidence))


def test_text_is_in_the_language_of_most_reviews() -> None:
    evidence = [
        item("a", sentence="The kettle boils water fast.", language="en"),
        item("b", sentence="This kettle boils water really fast.", language="en"),
        item("c", sentence="水壶烧水很快，非常好用。", language="zh"),
    ]

    assert chosen_of(evidence, words=5)[0].language == "en"


def test_worse_of_two_equal_sentiments_prevails() -> None:
    assert prevailing_label(many(positive=2, negative=2)) == "negative"
    assert prevailing_label(many(positive=3, negative=2)) == "positive"
    assert prevailing_label([item("a", None)]) is None


def test_headline_is_a_complete_short_sentence_that_needs_none_before_it() -> None:
    physics = "That's physics, of course, but the kettle boils water fast and the marks for single cups are readable."
    evidence = [
        item("a", sentence=f"{physics}\nThe kettle boils water fast."),
        item("b", sentence="But the kettle boils water fast.\nIt also keeps water hot."),
        item("c", sentence="And water boils fast."),
    ]
    found = choice_of(evidence)

    assert found is not None
    assert found.headline == "The kettle boils water fast."
    assert all(is_dangling(text) for text in (physics, "But it boils.", "It also keeps water hot.", "And water boils."))


def test_headline_is_cut_only_where_no_sentence_is_short() -> None:
    long = "The kettle boils water " + "very " * 20 + "fast"
    found, short = choice_of([item("a", sentence=f"{long}.")]), choice_of([item("a", sentence="And fast.")])

    assert found is not None
    assert found.headline.endswith("…")
    assert len(found.headline) <= 90
    assert short is not None
    assert short.headline == "And fast."


def test_headline_that_the_sentences_bear_out_is_taken() -> None:
    chosen = choice(item("a", "negative", "The lid broke after a week."), item("b", "negative", "Lid is flimsy."))

    assert checked_headline("Lid broke", chosen) == ("Lid broke", "abstractive")


@pytest.mark.parametrize("proposed", ["Great toaster", "Broke", None, ""])
def test_made_up_generic_or_missing_headline_is_replaced_by_a_sentence(proposed: str | None) -> None:
    chosen = choice(item("a", "negative", "The lid broke after a week."))

    assert checked_headline(proposed, chosen) == ("The lid broke after a week.", "extractive")


def test_complaint_is_no_headline_of_a_product_that_most_praise() -> None:
    huge = "The body of the dress is huge."
    complains, too = (
        Evidence(name, 0, 1000, "positive", 0, None, huge, "en", (Mention(0, len(huge), "negative", ()),))
        for name in "bd"
    )
    praised, doubtful = item("a", "positive", "The dress is lovely."), item("c", "neutral", "The sleeves are wide.")

    chosen = Choice(tuple(quotable([praised, complains, doubtful])), praised.sentence)
    assert [one.review.review_id for one in chosen.prevailing] == ["a"]
    for proposed in ("The body of the dress is huge", "The sleeves are wide"):
        assert checked_headline(proposed, chosen) == (praised.sentence, "extractive")
    praised = item("a", "positive", "It is lovely in every way that one could ever wish for in a dress.")
    found = choice_of([complains, too, praised])
    assert found is not None
    assert found.headline == praised.sentence


def test_headline_that_does_not_praise_gives_way_to_a_sentence_that_does() -> None:
    ends, good = item("a", "positive", "The 90 degree ends go to the pedal."), item("b", "positive", "A good cable.")
    proposed = "The 90 degree ends go to the pedal"

    assert checked_headline(proposed, choice(ends, good, headline="A good cable.")) == ("A good cable.", "extractive")
    assert checked_headline(proposed, choice(ends, good, headline="It is a cable."))[1] == "abstractive"
    bent = item("c", "neutral", "The ends go to the pedal, and the cable is bad.")
    assert checked_headline("The ends go to the pedal", choice(bent, headline="A bad cable."))[1] == "abstractive"


def test_headline_is_made_of_sentences_that_tell_the_prevailing_sentiment_where_there_are_some() -> None:
    plain, good = "It is no great mic cable.", "It is flexible."
    evidence = [
        Evidence("a", 0, 1, "positive", 0, 4, plain, "en"),
        Evidence("b", 0, 1, "positive", 0, 5, good, "en", (Mention(0, len(good), "positive", ()),)),
    ]
    assert [one.text for one in Choice(tuple(quotable(evidence)), "").prevailing] == [good]
    assert [one.text for one in Choice(tuple(quotable(evidence[:1])), "").prevailing] == [plain]


def test_sentence_that_praises_and_complains_is_no_headline_where_another_is_clear() -> None:
    mixed = "The lid leaks all the time, but it is a nice kettle."
    clauses = (Mention(0, 26, "negative", ()), Mention(32, len(mixed), "positive", ()))
    evidence = [Evidence(name, 0, 1000, "positive", 0, None, mixed, "en", clauses) for name in ("a", "b", "c")]
    clear = "It boils fast and looks very good."
    evidence += [Evidence("d", 0, 1000, "positive", 0, None, clear, "en", (Mention(0, len(clear), "positive", ()),))]

    assert [one.is_mixed for one in quotable(evidence)] == [True, True, True, False]
    found = choice_of(evidence)
    assert found is not None
    assert found.headline == clear


def test_complaint_is_no_headline_where_praise_is_brief_or_sentences_neutral() -> None:
    broke = item("d", "negative", "The zipper of the dress broke at once.")
    brief = [item("a", "positive", "Love it!"), item("b", "positive", "So good!"), item("c", "positive", "Great!")]
    found = choice_of([*brief, broke])
    assert found is not None
    assert found.headline in [one.sentence for one in brief]

    cotton = "The sleeves are of cotton and wool."
    neutral = [
        Evidence(name, 0, 1, "positive", 0, 5, cotton, "en", (Mention(0, 35, "neutral", ("material",)),))
        for name in "ab"
    ]
    assert [one.review.review_id for one in Choice(tuple(quotable([*neutral, broke])), "").prevailing] == ["a", "b"]


def test_headline_of_complaints_in_good_reviews_alone_may_be_one() -> None:
    huge = "The body of the dress is huge."
    chosen = choice_of([Evidence("b", 0, 1000, "positive", 0, None, huge, "en", (Mention(0, 30, "negative", ()),))])

    assert chosen is not None
    assert chosen.prevailing == chosen.sentences
    assert chosen.headline == huge


@pytest.mark.parametrize("proposed", ["for a good price", "Is a good cable", "With good sound"])
def test_part_of_a_sentence_without_its_beginning_is_no_headline(proposed: str) -> None:
    of_cable = choice(item("a", "positive", "It is a good cable with good sound for a good price."))
    headline, method = checked_headline(proposed, of_cable)
    assert (headline, method) == (of_cable.headline, "extractive")
    assert checked_headline("A good cable with good sound", of_cable)[1] == "abstractive"


def test_headline_of_reviews_without_sentiment_is_their_sentence() -> None:
    assert checked_headline("It works", choice(item("a", None, "It works."))) == ("It works.", "extractive")


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        (("One.", "Two."), "One. Two."),
        (("Happy lab", "Good coat :)", "It works!"), "Happy lab. Good coat :) It works!"),
        (("质量很好", "物流很快！"), "质量很好。 物流很快！"),
    ],
)
def test_text_is_the_sentences_each_with_an_end(sentences: tuple[str, ...], expected: str) -> None:
    assert text_of([Quotable(item(str(n)), one, "en", 0.0) for n, one in enumerate(sentences)]) == expected


@given(st.text(max_size=200), st.integers(2, 100))
def test_shortened_text_keeps_its_bound(text: str, characters: int) -> None:
    short = shortened(text, characters)

    assert len(short) <= characters
    assert short == text or short.endswith("…")


def test_text_is_shortened_after_a_word() -> None:
    assert shortened("The lid broke after a week", 16) == "The lid broke…"
