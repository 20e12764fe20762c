"""Sentences that say the same are one theme."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream_app.records import Evidence, Label, Mention, Place
from stream_app.steps.nearness import Nearness, by_shared_words
from stream_app.steps.product_sentences import Quotable, quotable
from stream_app.steps.sentence_style import gives_no_reason
from stream_app.steps.themes import MOST_THEMES, themes_of

NOW_MS = 1_700_000_000_000


def evidence(review_id: str, *said: tuple[Label, str], aspects: tuple[str, ...] = ()) -> Evidence:
    """A review that consists of these sentences, each with an opinion."""
    mentions, text = [], ""
    for label, sentence in said:
        begins = len(text)
        text += sentence
        mentions.append(Mention(begins, len(text), label, aspects, 100 + begins))
        text += "\n"
    return Evidence(review_id, 0, NOW_MS, None, 0, None, text.rstrip(), "en", tuple(mentions))


def found(*reviews: Evidence) -> list[tuple[Label, list[str]]]:
    sentences = quotable(reviews)
    themes = themes_of(sentences, by_shared_words(sentences), len(reviews), NOW_MS)
    return [(one.label, [place.review_id for place in one.places]) for one in themes.themes]


def many(count: int, label: Label, sentence: str, first: int = 0) -> list[Evidence]:
    return [evidence(f"r{first + n}", (label, sentence)) for n in range(count)]


def test_reviews_that_say_the_same_are_counted_once_each() -> None:
    twice = evidence("r0", ("negative", "The smell is awful."), ("negative", "Awful smell, truly."))
    others = [evidence(f"r{n}", ("negative", "The smell is awful!")) for n in range(1, 6)]

    [(label, reviews)] = found(twice, *others)
    assert (label, sorted(reviews)) == ("negative", ["r0", "r1", "r2", "r3", "r4", "r5"])


def test_polarity_is_that_of_the_sentence() -> None:
    same_words = [*many(3, "negative", "The smell of it."), *many(2, "positive", "The smell of it.", first=3)]

    assert found(*same_words) == [("positive", ["r3", "r4"]), ("negative", ["r0", "r1", "r2"])]


def test_neutral_sentences_and_those_without_an_opinion_are_no_theme() -> None:
    without = [Evidence(f"x{n}", 0, NOW_MS, "negative", 0, 1, "The smell is awful.", "en") for n in range(5)]

    assert found(*without, *many(5, "neutral", "The smell is awful.")) == []


def test_regret_without_a_reason_is_no_theme() -> None:
    for text in ("Such a shame!", "So disappointed.", "太可惜了！", "很失望"):
        assert found(*many(5, "negative", text)) == [], text
    for text in ("It broke.", "It's junk", "Such a shame about the zipper!", "拉链坏了太可惜"):
        assert found(*many(5, "negative", text)) == [("negative", ["r0", "r1", "r2", "r3", "r4"])], text


def test_what_one_review_says_is_a_theme_only_where_few_were_read() -> None:
    assert found(*many(1, "negative", "The zipper broke at once.")) == [("negative", ["r0"])]
    others = [evidence(f"x{n}", ("positive", f"Word{n} thing{n} stuff{n}.")) for n in range(4)]
    assert found(*many(1, "negative", "The zipper broke at once."), *others) == []


def test_themes_are_at_most_five_of_each_label_most_reviews_first() -> None:
    words = ["apple", "bear", "cloud", "drum", "eagle", "flute", "glove"]
    reviews = [
        evidence(f"{word}{n}", ("positive", f"The {word} {word}ish {word}ly shines."))
        for size, word in enumerate(words, start=2)
        for n in range(size)
    ]

    assert [len(reviews) for _, reviews in found(*reviews)] == [8, 7, 6, 5, 4]
    assert MOST_THEMES == 5


def test_order_of_the_reviews_makes_no_difference() -> None:
    reviews = [*many(4, "positive", "Great sound for the price."), *many(3, "positive", "The sound is great.", first=4)]

    assert found(*reviews) == found(*reversed(reviews))


def test_place_is_where_the_sentence_begins_in_the_review() -> None:
    reviews = [evidence(f"r{n}", ("positive", "Nice colour."), ("negative", "The lid broke.")) for n in range(5)]
    sentences = quotable(reviews)

    themes = themes_of(sentences, by_shared_words(sentences), 5, NOW_MS)
    assert [one.places[0] for one in themes.themes] == [Place("r0", 0, 100), Place("r0", 0, 113)]


def test_sentences_about_one_aspect_are_sooner_the_same() -> None:
    def themes_at(similarity: float, *aspects: tuple[str, ...]) -> int:
        reviews = [evidence(f"r{n}", ("positive", f"Sentence {n}."), aspects=of) for n, of in enumerate(aspects)]
        sentences: Sequence[Quotable] = quotable(reviews)
        alike = [[similarity] * len(sentences)] * len(sentences)
        zeros = [0.0] * len(sentences)
        return len(themes_of(sentences, Nearness(alike, zeros, zeros, alike), 9, 0).themes)

    assert (
        themes_at(1.0, (), ()) == themes_at(0.96, ("look",), ("look", "value")) == themes_at(1.05, (), ("look",)) == 1
    )
    assert themes_at(0.99, (), ()) == themes_at(9.0, ("look",), ("value",)) == themes_at(1.01, (), ("look",)) == 0


def test_story_is_no_praise_and_no_complaint() -> None:
    """By the measure of its words: whatever its label, it is nearer to what buyers tell of themselves."""
    for label, praise, telling, counts in (
        ("positive", 0.1, -0.05, 1),
        ("positive", 0.1, -0.2, 0),
        ("positive", -0.1, 0.2, 0),
        ("negative", -0.1, -0.05, 1),
        ("negative", 0.1, 0.2, 0),
    ):
        sentences = quotable(many(5, label, "It is what it is."))  # type: ignore[arg-type]
        alike = [[1.0] * 5] * 5
        assert len(themes_of(sentences, Nearness(alike, [telling] * 5, [praise] * 5, alike), 9, 0).themes) == counts


@pytest.mark.parametrize(
    "text",
    [
        "I love it.",
        "Great product!",
        "Such a shame!",
        "Returned it",
        "Sent it back.",
        "I had to return them!",
        "不推荐",
        "很不满意",
        "很好",
        "非常喜欢",
        "太失望了",
        "退货了",
    ],
)
def test_what_gives_no_reason_is_no_theme(text: str) -> None:
    assert gives_no_reason(text)


@pytest.mark.parametrize(
    "text",
    [
        "Great sound!",
        "The lid broke.",
        "Good price.",
        "音质很好",
        "屏幕差",
        "Returned it, too small",
        "They sent me a returned item.",
        "They only sent one.",
        "不喜欢颜色",
    ],
)
def test_what_gives_a_reason_may_be_a_theme(text: str) -> None:
    assert not gives_no_reason(text)
