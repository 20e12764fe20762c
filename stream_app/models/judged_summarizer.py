"""A summarizer whose lines a classifier judges: what does not say what its review says is no summary of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from stream_app.ports import TextModel, Tokens
from stream_app.records import Label, Scores
from stream_app.steps.label_agreement import has_polarity, line_agrees
from stream_app.steps.summary_input import label_of


@dataclass(frozen=True, slots=True)
class LabelledTokens:
    """ports.Tokens of a text, with the label that stands in front of it."""

    inner: Tokens
    label: Label | None

    @property
    def length(self) -> int:
        return self.inner.length

    @property
    def truncated(self) -> bool:
        return self.inner.truncated


class JudgedSummarizer:
    """ports.TextModel. Answers a text with the summarizer's line, or with none ("") where that contradicts the label.

    The lines of a micro-batch are judged together, in the thread that computed them: each is a tenth as long as a
    review. ``run`` of both models may be called from several threads.
    """

    def __init__(self, summarizer: TextModel[str], classifier: TextModel[Scores], run_tokens: int) -> None:
        """``summarizer``: one that reads labels (``steps/summary_input``). ``run_tokens``: of lines in one run of the
        classifier, at most.
        """
        self._summarizer, self._classifier, self._run_tokens = summarizer, classifier, run_tokens
        self.name, self.languages, self.plan = summarizer.name, summarizer.languages, summarizer.plan

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        tokens = self._summarizer.tokenize(texts)
        return [LabelledTokens(inner, label_of(text)) for inner, text in zip(tokens, texts, strict=True)]

    def run(self, batch: Sequence[Tokens]) -> list[str]:
        labelled = cast(Sequence[LabelledTokens], batch)
        lines = self._summarizer.run([tokens.inner for tokens in labelled])
        labels = [tokens.label for tokens in labelled]
        in_question = [line for line, label in zip(lines, labels, strict=True) if line and has_polarity(label)]
        judged = self._judged(list(dict.fromkeys(in_question)))
        return [
            line if line not in judged or line_agrees(judged[line], label) else ""
            for line, label in zip(lines, labels, strict=True)
        ]

    def _judged(self, lines: Sequence[str]) -> dict[str, Scores]:
        tokens = self._classifier.tokenize(lines) if lines else []
        found: dict[str, Scores] = {}
        for run in self._classifier.plan.cut([one.length for one in tokens], self._run_tokens):
            scores = self._classifier.run([tokens[index] for index in run])
            found.update(zip((lines[index] for index in run), scores, strict=True))
        return found

    def canary(self) -> bool:
        return self._summarizer.canary() and self._classifier.canary()
