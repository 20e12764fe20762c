"""A summarizer that repeats itself fails; what it copies and what is used of it is counted."""

from __future__ import annotations

import pytest

from stream_app.records import Scores, SentenceScores
from stream_app.testing.models import AnsweringModel
from stream_app.training.data import LabelledReview
from stream_app.training.summary_report import evaluate_summaries, has_faithful_title, repeated_lines, sections


def review(text: str, title: str = "") -> LabelledReview:
    return LabelledReview(title, text, "negative", True)


def numbered(count: int) -> list[LabelledReview]:
    return [review(f"The zip number {number} broke after two days of use.") for number in range(count)]


def first_words(text: str) -> str:
    return " ".join(text.split()[:5])


def always_the_same(text: str) -> str:
    return "Great for the price"


NEGATIVE: AnsweringModel[Scores] = AnsweringModel(lambda text: Scores(0.9, 0.1, 0.0))
"""Judges whole reviews alone."""


def test_a_collapsed_summarizer_fails_and_its_line_is_named() -> None:
    report = evaluate_summaries(AnsweringModel(always_the_same), numbered(100), NEGATIVE)
    assert repeated_lines(report) == ["100.0% of 100 outputs are the same line, more than 2%: 'Great for the price'"]
    assert "**Fails: 100.0% of 100 outputs" in "\n".join(sections(report))


def test_lines_that_differ_pass() -> None:
    report = evaluate_summaries(AnsweringModel(first_words), numbered(100), NEGATIVE)
    assert repeated_lines(report) == []
    assert report["outputs"]["distinct"] == 100
    assert "No line repeats too often." in sections(report)


@pytest.mark.parametrize(("repeated", "fails"), [(2, False), (3, True)])
def test_more_than_two_percent_fail(repeated: int, fails: bool) -> None:
    reviews = numbered(100)
    same = {one.text for one in reviews[:repeated]}
    model = AnsweringModel(lambda text: "The zip broke" if text in same else first_words(text))
    assert bool(repeated_lines(evaluate_summaries(model, reviews, NEGATIVE))) is fails


def test_of_few_outputs_nothing_is_said() -> None:
    assert repeated_lines(evaluate_summaries(AnsweringModel(always_the_same), numbered(99), NEGATIVE)) == []


def test_used_lines_that_repeat_fail_where_all_lines_do_not() -> None:
    """Most lines differ and are refused; the few that are used are the same."""
    reviews = [review(f"The zip broke after {number} days.") for number in range(10_000)]
    same = {one.text for one in reviews[:150]}
    model = AnsweringModel(lambda text: "The zip broke" if text in same else f"A purple lamp of {text}")
    assert [sentence[:40] for sentence in repeated_lines(evaluate_summaries(model, reviews, NEGATIVE))] == [
        "100.0% of 150 used outputs are the same "
    ]


def test_copies_and_made_up_words_are_counted() -> None:
    lines = {"The zip broke after two days": "the zip  broke.", "A bright lamp for the desk": "A purple lamp"}
    report = evaluate_summaries(AnsweringModel(lines.__getitem__), [review(text) for text in lines], NEGATIVE)
    assert report["outputs"]["copy_rate"] == 0.5
    assert report["outputs"]["compression"] == pytest.approx((3 / 6 + 3 / 6) / 2)
    assert report["used"]["share"] == 0.5
    assert [one["line"] for one in report["used"]["commonest"]] == ["the zip  broke."]


def test_lines_are_scored_against_titles_beside_the_best_and_the_first_sentence() -> None:
    text = "Bought it in May. The zip broke after two days."
    reviews = [review(text, "The zip broke"), review("A title of this cannot be found in it.", "Awful, awful")]
    titles = evaluate_summaries(AnsweringModel(lambda text: "The zip broke"), reviews, NEGATIVE)["titles"]
    assert {name: of["summaries"] for name, of in titles.items()} == dict.fromkeys(
        ("lines", "best_sentence", "first_sentence"), 1
    )
    assert titles["lines"]["rouge_l"] == 1.0 > titles["best_sentence"]["rouge_l"] > titles["first_sentence"]["rouge_l"]


def test_a_model_that_reads_labels_is_told_them() -> None:
    asked: list[str] = []

    def line(text: str) -> str:
        asked.append(text)
        return "The zip broke"

    judge: AnsweringModel[Scores] = AnsweringModel(lambda text: Scores(0.1, 0.2, 0.7))
    evaluate_summaries(AnsweringModel(line), [review("The zip broke at once.")], judge, reads_label=True)
    evaluate_summaries(AnsweringModel(line), [review("The zip broke at once.")], judge)
    assert asked == ["positive: The zip broke at once.", "The zip broke at once."]


def test_a_model_reads_and_the_best_sentence_is_chosen_among_what_agrees_with_the_label() -> None:
    """And a line from a sentence of the opposite sentiment is not used."""
    text = "The colour of this bag is bright and warm. The zip broke."
    asked: list[str] = []

    def judged(read: str) -> Scores:
        sentences = (SentenceScores(0, 42, (0.1, 0.0, 0.9), 0.0), SentenceScores(43, 57, (0.9, 0.1, 0.0), 0.0))
        return Scores(0.9, 0.1, 0.0, sentences=sentences if read == text else ())

    def line(read: str) -> str:
        asked.append(read)
        return "The colour of this bag is bright"

    report = evaluate_summaries(
        AnsweringModel(line), [review(text, "The zip broke")], AnsweringModel(judged), reads_label=True
    )
    assert asked == ["negative: The zip broke."]
    assert report["titles"]["best_sentence"]["rouge_l"] == 1.0 > report["titles"]["first_sentence"]["rouge_l"]
    assert report["used"]["count"] == 0


@pytest.mark.parametrize(
    ("title", "is_faithful"),
    [
        ("Zip broke after two days", True),
        ("Disappointing purchase overall", False),
        ("5", False),
        ("The zip " + "really " * 10, False),
    ],
)
def test_a_title_is_a_reference_where_its_words_stand_in_the_text(title: str, is_faithful: bool) -> None:
    text = "The zip broke after two days and the shop did not answer my letters at all."
    assert has_faithful_title(review(text, title)) is is_faithful


def test_a_line_that_contradicts_its_review_where_it_stands_alone_is_not_used() -> None:
    """Of a model that reads labels: only its lines are judged in a worker."""
    judge: AnsweringModel[Scores] = AnsweringModel(
        lambda text: Scores(0.9, 0.1, 0) if "broke" in text else Scores(0, 0.1, 0.9)
    )
    reviews = [review("It started off well and broke at once.")]
    model = AnsweringModel(lambda text: "It started off well")
    assert evaluate_summaries(model, reviews, judge, reads_label=True)["used"]["count"] == 0
    assert evaluate_summaries(model, reviews, judge)["used"]["count"] == 1


def test_a_classifier_says_whether_used_lines_agree_with_their_reviews() -> None:
    lines = {"The zip broke, a refund please": "The zip broke", "The lamp broke at once": "The lamp"}
    reviews = [review(text) for text in lines]
    judge: AnsweringModel[Scores] = AnsweringModel(
        lambda line: Scores(*((0.9, 0.1, 0) if "broke" in line else (0, 0.1, 0.9)))
    )
    report = evaluate_summaries(AnsweringModel(lines.__getitem__), reviews, judge)
    assert report["used"]["count"] == 2
    assert report["used"]["sentiment_agreement"] == 0.5


def test_nothing_used_is_a_report_too() -> None:
    report = evaluate_summaries(AnsweringModel(lambda text: "A purple lamp"), numbered(3), NEGATIVE)
    assert (report["used"]["share"], report["used"]["count"], report["used"]["commonest"]) == (0, 0, [])
    assert repeated_lines(report) == []
    assert any("| different lines" in section for section in sections(report))
