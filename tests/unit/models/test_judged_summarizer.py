"""A line that does not say what its review says is answered as none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream_app.models.judged_summarizer import JudgedSummarizer
from stream_app.ports import Tokens
from stream_app.records import Scores
from stream_app.testing.models import AnsweringModel, FakeModel


def lines_of(texts: list[str], line: str) -> tuple[list[str], list[str]]:
    """The answers, and what the classifier was asked: each line once."""
    asked: list[str] = []

    def judged(text: str) -> Scores:
        asked.append(text)
        return Scores(0.9, 0.1, 0.0) if "broke" in text else Scores(0.0, 0.1, 0.9)

    model = JudgedSummarizer(AnsweringModel(lambda text: line), AnsweringModel(judged), 128)
    return model.run(model.tokenize(texts)), asked


def test_a_line_is_kept_where_it_agrees_with_the_label_in_front_of_its_text() -> None:
    texts = ["negative: The zip broke.", "positive: It works.", "neutral: So so.", "A text without a label"]
    assert lines_of(texts, "The zip broke") == (
        ["The zip broke", "", "The zip broke", "The zip broke"],
        ["The zip broke"],
    )


def test_each_line_has_its_own_judgement_whatever_is_judged_together() -> None:
    """Lines of different lengths, more than fit into one run."""
    lines = [("works " * (number % 7 + 1) + ("broke" if number % 3 else "well")).strip() for number in range(40)]
    ran: list[int] = []

    class Counting(AnsweringModel[Scores]):
        def run(self, batch: Sequence[Tokens]) -> list[Scores]:
            ran.append(sum(tokens.length for tokens in batch))
            return super().run(batch)

    classifier = Counting(lambda text: Scores(0.9, 0.1, 0.0) if "broke" in text else Scores(0.0, 0.1, 0.9))
    model = JudgedSummarizer(AnsweringModel(lambda text: text.partition(": ")[2]), classifier, 20)
    found = model.run(model.tokenize([f"negative: {line}" for line in lines]))
    assert found == [line if "broke" in line else "" for line in lines]
    assert len(ran) > 1
    assert max(ran) <= 20


def test_an_error_of_the_classifier_is_the_micro_batchs() -> None:
    """The batcher then bisects it, as it does for the summarizer's own."""
    classifier: FakeModel[Scores] = FakeModel(
        lambda text: Scores(0.1, 0.1, 0.8), fails_on=lambda text: text == "The zip broke"
    )
    model = JudgedSummarizer(AnsweringModel(lambda text: text.partition(": ")[2]), classifier, 128)
    assert model.run(model.tokenize(["positive: It works"])) == ["It works"]
    with pytest.raises(RuntimeError):
        model.run(model.tokenize(["positive: It works", "positive: The zip broke"]))


def test_no_line_is_not_judged() -> None:
    assert lines_of(["negative: The zip broke.", "positive: It works."], "") == (["", ""], [])


def test_it_is_planned_and_named_as_the_summarizer_and_broken_where_either_is() -> None:
    summarizer: AnsweringModel[str] = AnsweringModel(str, languages=frozenset({"en"}))
    classifier: AnsweringModel[Scores] = AnsweringModel(lambda text: Scores(0.1, 0.2, 0.7))
    model = JudgedSummarizer(summarizer, classifier, 128)
    assert (model.name, model.languages, model.plan) == (summarizer.name, summarizer.languages, summarizer.plan)
    [tokens] = model.tokenize(["negative: one two"])
    assert (tokens.length, tokens.truncated) == (4, False)
    assert model.canary()
    classifier.canary = lambda: False  # type: ignore[method-assign]
    assert not model.canary()
