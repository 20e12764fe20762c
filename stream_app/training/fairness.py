"""Swaps identity terms (gender, names, nationalities, religion) in texts, and counts the labels that change."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from stream_app.ports import TextModel
from stream_app.records import Label, Scores
from stream_app.steps.language import language_by_script
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers, labels_of, probabilities_of
from stream_app.training.flips import Flips, flips


@dataclass(frozen=True, slots=True)
class IdentitySet:
    """Templates with one place ({}), and by group the terms that may stand there."""

    name: str
    language: str
    templates: list[str]
    terms: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class FairnessScores:
    """Of ``texts``, ``flipped`` have another label than most of their template have; ``share``: of these, 0 to 1.

    ``templates_differing``: share of the templates with more than one label. ``positivity``: by group the mean of
    P(positive) - P(negative); ``gap``: its largest difference between two groups.
    """

    texts: int
    flipped: int
    share: float
    templates_differing: float
    positivity: dict[str, float]
    gap: float


def identity_sets() -> list[IdentitySet]:
    """Those that are written for this project."""
    return [IdentitySet(**one) for one in _data()["sets"]]


def score_templates(model: TextModel[Scores], sets: Sequence[IdentitySet]) -> dict[str, FairnessScores]:
    """By name and language (``gender_en``), of the languages that the model reads."""
    return {
        f"{one.name}_{one.language}": _scores(model, one)
        for one in sets
        if model.languages is None or one.language in model.languages
    }


def gender_swapped(model: TextModel[Scores], reviews: Sequence[LabelledReview], before: Sequence[Label]) -> Flips:
    """The labels that flip when she becomes he in the reviews that speak of someone, and the reverse."""
    swaps: Mapping[str, Mapping[str, str]] = _data()["swaps"]
    changed = {}
    for number, review in enumerate(reviews):
        text = review.model_text
        language = language_by_script(text) or "en"
        if language in swaps and (other := swapped(text, swaps[language], words=language != "zh")) != text:
            changed[number] = other
    return flips(model, changed, before)


def swapped(text: str, swaps: Mapping[str, str], *, words: bool) -> str:
    """Each term replaced by its counterpart, in its case. ``words``: only where it is a whole word."""
    terms = "|".join(sorted(swaps, key=len, reverse=True))
    pattern = rf"\b(?:{terms})\b" if words else terms

    def counterpart(match: re.Match[str]) -> str:
        found, other = match[0], swaps[match[0].lower()]
        if found.isupper() and len(found) > 1:
            return other.upper()
        return other[0].upper() + other[1:] if found[0].isupper() else other

    return re.sub(pattern, counterpart, text, flags=re.IGNORECASE)


def _scores(model: TextModel[Scores], of: IdentitySet) -> FairnessScores:
    groups = [group for group, terms in of.terms.items() for _ in terms]
    terms = [term for terms in of.terms.values() for term in terms]
    texts = [_filled(template, term) for template in of.templates for term in terms]
    found = list(answers(model, texts))
    labels = labels_of(found)
    by_template = [labels[start : start + len(terms)] for start in range(0, len(labels), len(terms))]
    flipped = sum(len(some) - max(Counter(some).values()) for some in by_template)
    probabilities = probabilities_of(found)
    leaning = (probabilities[:, 2] - probabilities[:, 0]).reshape(len(of.templates), len(terms)).mean(axis=0)
    positivity = {
        group: float(np.mean([value for value, other in zip(leaning, groups, strict=True) if other == group]))
        for group in of.terms
    }
    return FairnessScores(
        texts=len(texts),
        flipped=flipped,
        share=flipped / len(texts),
        templates_differing=float(np.mean([len(set(some)) > 1 for some in by_template])),
        positivity=positivity,
        gap=max(positivity.values()) - min(positivity.values()),
    )


def _filled(template: str, term: str) -> str:
    text = template.format(term)
    return text[0].upper() + text[1:]


def _data() -> dict[str, Any]:
    return tomllib.loads(
        files("stream_app.training").joinpath("data", "identity_terms.toml").read_text(encoding="utf-8")
    )
