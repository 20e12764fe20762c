"""A line that does not say what its review says is answered as none."""

from __future__ import annotations

from stream_app.models.judged_summarizer import JudgedSummarizer
from stream_app.records import Scores
from stream_app.testing.models import AnsweringModel


def lines_of(texts: list[str], line: str) -> tuple[list[str], list[str]]:
    """The answers, and what the classifier was asked: each line once."""
    asked: list[str] = []

    def judged(text: str) -> Scores:
        asked.append(text)
        return Scores(0.9, 0.1, 0.0) if "broke" in text else Scores(0.0, 0.1, 0.9)

    model = JudgedSummarizer(AnsweringModel(lambda text: line), AnsweringModel(judged))
    return model.run(model.tokenize(texts)), asked


def test_a_line_is_kept_where_it_agrees_with_the_label_in_front_of_its_text() -> None:
    texts = ["negative: The zip broke.", "positive: It works.", "neutral: So so.", "A text without a label"]
    assert lines_of(texts, "The zip broke") == (
        ["The zip broke", "", "The zip broke", "The zip broke"],
        ["The zip broke"],
    )


def test_no_line_is_not_judged() -> None:
    assert lines_of(["negative: The zip broke.", "positive: It works."], "") == (["", ""], [])


def test_it_is_planned_and_named_as_the_summarizer_and_broken_where_either_is() -> None:
    summarizer: AnsweringModel[str] = AnsweringModel(str, languages=frozenset({"en"}))
    classifier: AnsweringModel[Scores] = AnsweringModel(lambda text: Scores(0.1, 0.2, 0.7))
    model = JudgedSummarizer(summarizer, classifier)
    assert (model.name, model.languages, model.plan) == (summarizer.name, summarizer.languages, summarizer.plan)
    [tokens] = model.tokenize(["negative: one two"])
    assert (tokens.length, tokens.truncated) == (4, False)
    assert model.canary()
    classifier.canary = lambda: False  # type: ignore[method-assign]
    assert not model.canary()
