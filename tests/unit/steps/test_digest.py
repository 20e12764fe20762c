"""What a digest tells, and what it may never leave out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import (
    AspectCounts,
    AspectSummary,
    Comparison,
    Counts,
    Digest,
    Evidence,
    Highlight,
    Highlights,
    Mention,
    PlacedQuote,
    Trend,
)
from stream_app.steps.aspects import known_ids
from stream_app.steps.digest import A_SHARE_THAT_COUNTS, Said, chosen_points, digest_of, flag_url_of, leaning
from stream_app.steps.digest_words import Share, aspect_words

NOW_MS = 1_700_000_000_000
_NUMBER = re.compile(r"(?<![\d,])\d[\d,]*")


def counts(positive: int, negative: int, neutral: int = 0, unknown: int = 0) -> Counts:
    return Counts(
        positive + negative + neutral + unknown, negative, neutral, positive, unknown, (negative, 0, 0, 0, positive)
    )


def compared(change: Any = "none", recent: float | None = None, reviews: int = 0) -> Comparison:
    return Comparison(recent, reviews, None, 0, None, change)


def said(
    everything: Counts,
    aspects: Mapping[str, tuple[int, int]] = {},
    *,
    week: Counts | None = None,
    **changes: Any,
) -> Said:
    """``aspects``: how many criticize and how many praise each."""
    told = {
        aspect: AspectSummary({"all": AspectCounts(negative + positive, negative, positive)}, None)
        for aspect, (negative, positive) in aspects.items()
    }
    fields: dict[str, Any] = {
        "windows": {"7d": week or Counts(), "all": everything},
        "aspects": told,
        "trend": Trend(0, 0, compared(), compared(), {}),
        "highlights": None,
        "evidence": [],
        "withdrawn": False,
    }
    return Said(**fields | changes)


def made(of: Said) -> Digest:
    return digest_of(of, None, low_evidence=False)


def text(of: Said, language: str = "en") -> str:
    texts = made(of).texts
    assert texts is not None
    return texts[language].text


def complaint(reviews: int, words: str = "It broke.", aspect: str | None = None) -> Highlights:
    quote = PlacedQuote("r1", 0, 0, len(words), words)
    return Highlights(40, NOW_MS, (), (Highlight(reviews, aspect, quote, ("r1", "r2")),))


def test_digest_tells_counts_praise_and_complaints() -> None:
    of = said(counts(24, 12, 3), {"smell_and_taste": (12, 1), "value": (0, 21), "delivery": (5, 10), "sound": (1, 0)})

    assert text(of) == (
        "Of 39 reviews, 24 are positive, 12 negative and 3 mixed. Most praise the value for money (21) and many the "
        "delivery (10). Many complain about the smell or taste (12) and some about the delivery (5)."
    )
    assert text(of, "zh") == (
        "39 条评价中，好评 24 条，差评 12 条，中评 3 条。大多数人称赞性价比（21 条），不少人称赞物流（10 条）。"
        "不少人抱怨气味或味道（12 条），有些人抱怨物流（5 条）。"
    )


def test_few_of_many_are_never_customers() -> None:
    """16 of 3,012 is a few, with both numbers."""
    of = said(counts(2900, 112), {"delivery": (16, 0), "sound": (0, 1800)})

    assert text(of).endswith("A few complain about the delivery (16 of 3,012).")
    assert text(of, "zh").endswith("少数人抱怨物流（3,012 条中的 16 条）。")


@pytest.mark.parametrize(
    ("reviews", "of", "quantity"),
    [(51, 100, "most"), (50, 100, "many"), (25, 100, "many"), (24, 100, "some"), (10, 100, "some"), (9, 100, "few"),
     (1, 2, "one"), (2, 3, "most")],
)  # fmt: skip
def test_share_decides_the_word(reviews: int, of: int, quantity: str) -> None:
    assert Share(reviews, of).quantity == quantity


def test_complaint_of_the_last_week_says_so() -> None:
    week = {"smell_and_taste": compared("worse", 0.9, 10)}
    trend = Trend(0, 0, compared("worse"), compared(), week)
    of = said(counts(60, 12), {"smell_and_taste": (12, 0)}, week=counts(6, 9), trend=trend)

    assert "(12, most of them in the last week)" in text(of)
    assert text(of).endswith("The reviews of the last week are worse than those of the four weeks before.")
    assert "（12 条，多数在最近一周）" in text(of, "zh")
    new = said(counts(6, 12), {"smell_and_taste": (12, 0)}, week=counts(6, 9), trend=trend)
    assert "(12)" in text(new), "most of all reviews are of the last week"


def test_complaint_that_many_recent_reviews_have_is_told_however_many_older_ones_there_are() -> None:
    of = said(counts(3000, 12), {"safety": (12, 0), "look": (40, 0)}, highlights=complaint(9, aspect="safety"))

    assert "the safety (12 of 3,012)" in text(of)


def test_complaint_about_no_aspect_is_told_as_a_quote() -> None:
    of = said(counts(30, 10), {"value": (0, 21)}, highlights=complaint(9))

    assert text(of).endswith("Of 40 recent reviews, 9 say the like of “It broke”.")
    assert text(of, "zh").endswith("最近的 40 条评价中，9 条说“It broke”。")
    two = Highlights(40, NOW_MS, (), complaint(9).complaints + complaint(4, "Shrunk!").complaints)
    assert text(said(counts(30, 10), highlights=two)).endswith(", 9 say the like of “It broke” and 4 of “Shrunk!”.")
    assert "broke" not in text(said(counts(38, 2), {"value": (0, 21)}, highlights=complaint(2)))


def test_hazard_is_named_however_few_mention_it() -> None:
    of = said(counts(58, 2), {"safety": (1, 0), "sound": (0, 30)})

    assert "One complains about the safety." in text(of)
    beside = text(said(counts(90, 10), {"sound": (9, 30), "safety": (1, 0)}))
    assert "A few complain about the sound (9 of 100) and one about the safety." in beside


def test_bad_reviews_that_complain_each_of_something_else_are_named() -> None:
    """Where a tenth of the reviews are negative a digest of praise alone would be too friendly."""
    aspects = {"durability": (1, 0), "delivery": (1, 2), "function": (0, 2), "look": (1, 0)}

    assert "Single reviews complain about the delivery and the durability." in text(said(counts(8, 4), aspects))
    assert "complain" not in text(said(counts(60, 4), aspects))


def test_single_people_are_told_of_as_such() -> None:
    of = said(counts(8, 1), {"look": (1, 0), "sound": (1, 0), "value": (0, 1)})

    assert text(of).endswith("One praises the value for money. Single reviews complain about the look and the sound.")
    assert text(of, "zh").endswith("有一人称赞性价比。各有一人抱怨外观和声音。")


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (said(counts(4, 0)), "too_few"),
        (said(counts(2, 2, unknown=5)), "unsupported_language"),
        (said(counts(5, 5), withdrawn=True), "evidence_withdrawn"),
        (said(counts(5, 5), {"look": (5, 0)}, withdrawn=True), None),
        (said(counts(3, 3, unknown=6)), None),
    ],
)
def test_reason_is_given_instead_of_a_bad_text(of: Said, reason: str | None) -> None:
    digest = made(of)
    assert digest.reason == reason
    assert (digest.texts is None) == (reason is not None)


def test_negative_product_is_not_told_of_as_a_good_one() -> None:
    """Most of its reviews say something friendly, too."""
    of = said(counts(5, 30), {"value": (8, 15), "look": (1, 14), "durability": (9, 0)})

    points = chosen_points(of, [])
    assert (
        leaning([one for one in points if one.label == "negative"], [one for one in points if one.label != "negative"])
        <= 0
    )
    assert text(of).startswith("Of 35 reviews, 30 are negative and 5 positive. Many complain about the durability (9)")


def test_first_sentence_rests_on_reviews_of_each_sentiment() -> None:
    evidence = [Evidence(f"r{n:02}", 0, n, "positive", 0, 5, "Good.") for n in range(40)]
    evidence.append(Evidence("bad", 0, -1, "negative", 0, 1, "Bad."))

    texts = made(said(counts(40, 10), evidence=evidence)).texts
    assert texts is not None
    ids = texts["en"].clauses[0].evidence
    assert len(ids) == 8
    assert {"bad", "r39"} <= set(ids)


def test_clause_about_an_aspect_rests_on_the_newest_reviews_that_say_so() -> None:
    def review(review_id: str, at: int, label: Any) -> Evidence:
        return Evidence(review_id, 0, at, label, 0, 5, "Look!", "en", (Mention(0, 5, label, ("look",), 0),))

    evidence = [review("old", 1, "negative"), review("new", 2, "negative"), review("other", 3, "positive")]
    digest = made(said(counts(9, 2), {"look": (2, 1)}, evidence=evidence))
    assert digest.texts is not None
    assert digest.texts["en"].clauses[-1].evidence == ("new", "old")
    assert (digest.from_ms, digest.to_ms) == (1, 3)


def test_every_known_aspect_has_words_in_both_languages() -> None:
    for aspect in known_ids():
        assert aspect_words(aspect, "en").startswith(("the ", "how ", "what "))
        assert not aspect_words(aspect, "zh").isascii()
    assert aspect_words("of_a_later_file", "zh") == "of a later file"


def test_flag_url_names_the_product() -> None:
    assert (
        flag_url_of("https://shop.example/flag?p={product_id}", "a b/ü") == "https://shop.example/flag?p=a%20b%2F%C3%BC"
    )
    assert flag_url_of("", "a") is None


N = st.integers(0, 3000)
ASPECTS = st.dictionaries(st.sampled_from(sorted(known_ids())), st.tuples(N, N), max_size=16)


@given(N, N, N, ASPECTS, st.integers(2, 40), st.sampled_from([None, "look", "safety"]), st.floats(0, 1), N)
def test_every_number_is_a_count_and_no_frequent_complaint_is_left_out(
    positive: int,
    negative: int,
    neutral: int,
    aspects: dict[str, tuple[int, int]],
    grouped: int,
    aspect: str | None,
    recent: float,
    week: int,
) -> None:
    everything = counts(positive, negative, neutral)
    total = everything.reviews
    aspects = {one: (min(bad, total), min(good, total)) for one, (bad, good) in aspects.items()}
    of_week = {one: compared("none", recent, min(week, bad)) for one, (bad, _) in aspects.items()}
    trend = Trend(0, 0, compared(), compared(), of_week)
    highlights = complaint(grouped, "It broke.", aspect)
    digest = made(said(everything, aspects, trend=trend, highlights=highlights, week=counts(0, min(week, total))))
    if digest.texts is None:
        return

    shown = {total, positive, negative, neutral, *everything.stars, grouped, highlights.read}
    shown |= {count for pair in aspects.values() for count in pair}
    for language, told in digest.texts.items():
        numbers = {int(one.replace(",", "")) for one in _NUMBER.findall(told.text)}
        assert numbers <= shown
        assert told.text == "".join(clause.text for clause in told.clauses)
        for one, (bad, _) in aspects.items():
            if bad and A_SHARE_THAT_COUNTS * bad >= total:
                complaints = told.text[told.text.index("抱怨" if language == "zh" else "complain") :]
                assert aspect_words(one, language) in complaints
        if aspect is None and A_SHARE_THAT_COUNTS * grouped >= highlights.read:
            assert "It broke" in told.text
