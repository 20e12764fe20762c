"""Reviews as the view keeps them, for the tests of what is quoted of them."""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.records import Evidence, Label
from stream_app.steps.nearness import Nearness, by_language, by_shared_words
from stream_app.steps.product_sentences import Quotable, quotable
from stream_app.steps.product_text import Choice, choose


def item(
    review_id: str,
    label: Label | None = "positive",
    sentence: str = "It works well every day.",
    language: str | None = None,
) -> Evidence:
    return Evidence(review_id, 0, 1000, label, 0, None, sentence, language)


def chosen_of(evidence: Sequence[Evidence], words: int = 60) -> list[Quotable]:
    """The sentences of a product's text, by shared words."""
    choice = choice_of(evidence, words)
    return [] if choice is None else list(choice.sentences)


def choice_of(evidence: Sequence[Evidence], words: int = 60) -> Choice | None:
    found = quotable(evidence)
    return choose(found, by_words(found), words)


def by_words(found: Sequence[Quotable]) -> Nearness:
    return by_language(found, lambda _, of_one: by_shared_words(of_one))
