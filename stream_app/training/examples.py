"""What the classifier learns from: texts whose review, sentences, or both are labelled."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stream_app.ports import ConfigurationError
from stream_app.records import LABELS, Label
from stream_app.steps.safety import safety_words_in_each
from stream_app.steps.sentences import sentences
from stream_app.training.data import LabelledReview, is_held_out, joined, plain, read_lines
from stream_app.training.rows import Columns

WEAK = 0.3
"""The weight of a label that a list of words or a teacher gave, beside those of people in the same batch."""
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_MOST_OF_A_PRODUCT = 0.1  # of the rows of a file
_MOST_TOGETHER = 4  # sentences in one text: a sentence is read among others


@dataclass(frozen=True, slots=True)
class LabelledSentence:
    """A sentence and what is known of it; None: unknown.

    ``neutral_possible``: False where its file knows only negative and positive sentences. ``scores``: a teacher's
    probabilities of LABELS. ``hazard``: was or could someone have been hurt? A teacher's answer is the probability.
    ``aspects``: ids; ``hazard_weight`` and ``aspects_weight`` are below 1 for labels that no person gave.
    """

    text: str
    label: Label | None = None
    neutral_possible: bool = True
    scores: tuple[float, float, float] | None = None
    hazard: float | None = None
    hazard_weight: float = 1.0
    aspects: frozenset[str] | None = None
    aspects_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Example:
    """A text as the encoder reads it; ``spans``: (start, end) of each of ``sentences`` in it, in code points.

    ``label``: the review's, None: unknown. ``scores``: a teacher's probabilities of LABELS. ``teacher_text``: what a
    teacher answers, the text before changes that must not change the answer, such as typing errors; None: it is not
    asked.
    """

    text: str
    label: Label | None = None
    neutral_possible: bool = True
    spans: tuple[tuple[int, int], ...] = ()
    sentences: tuple[LabelledSentence, ...] = ()
    scores: tuple[float, float, float] | None = None
    teacher_text: str | None = None


@dataclass(frozen=True, slots=True)
class Views:
    """How often (shares from 0 to 1) a review is read otherwise than as a whole, so that such reviews work too.

    ``title_before_a_part``: of the texts that are parts of reviews.
    """

    title_only: float = 0.12
    beginning_only: float = 0.12
    typing_errors: float = 0.45
    other_case: float = 0.1
    irrelevant_sentence: float = 0.3
    title_before_a_part: float = 0.5


@dataclass(frozen=True, slots=True)
class SentenceFile:
    """Groups of labelled sentences: those of one review together, in order, others alone.

    ``held_out``: about a seventh of the products (where none is named: of the reviews, or the sentences), whose labels
    nothing learns from. A review that a file of reviews holds, too, is learned from there, with its own label.
    """

    name: str
    train: list[list[LabelledSentence]]
    held_out: list[list[LabelledSentence]]


def read_sentences(
    path: Path,
    aspects: Mapping[str, Mapping[str, str]],
    language: str,
    *,
    all_held_out: bool = False,
    columns: Columns | None = None,
) -> SentenceFile:
    """The labelled sentences of a file; lines that name another ``language`` are left out.

    A line is ``{text, label}``; ``{text, hazard}``; ``{text, features: [{strength}]}``, whose sign is the label;
    ``{domain, clauses: [{text, aspects}]}``, whose aspects are named by ``aspects[domain]``; or, without ``domain``,
    ``{clauses: [{text, label, aspects, hazard}]}`` with ids of aspects. Raises ConfigurationError.
    """
    rows = [row for row in read_lines(path, columns) if row.get("language", language) == language]
    neutral_possible = any(one.get("label") == "neutral" for row in rows for one in (row, *(row.get("clauses") or ())))
    file = SentenceFile(path.stem, [], [])
    for row, key in zip(rows, _keys(rows), strict=True):
        if group := _sentences_of(row, neutral_possible, aspects):
            (file.held_out if all_held_out or is_held_out(f"sentence of {key}") else file.train).append(group)
    if not (file.train or file.held_out):
        raise ConfigurationError(f"{path}: no line has a labelled sentence. See `stream-app train sentiment --help`.")
    return file


def _keys(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of each row the product; else what its review id begins with, before the last dash, unless so many begin with the
    same that it is no product's; else the review; else the sentence.
    """
    review_ids = ["" if row.get("product_id") else str(row.get("review_id") or "") for row in rows]
    beginnings = [one.rpartition("-")[0] for one in review_ids]
    most = max(1.0, _MOST_OF_A_PRODUCT * len(rows))
    products = {beginning for beginning, count in Counter(beginnings).items() if count <= most}
    return [
        str(row.get("product_id") or (beginning in products and beginning) or review_id or row.get("text"))
        for row, beginning, review_id in zip(rows, beginnings, review_ids, strict=True)
    ]


def _sentences_of(
    row: Mapping[str, Any], neutral_possible: bool, aspects: Mapping[str, Mapping[str, str]]
) -> list[LabelledSentence]:
    if "clauses" in row:
        if "domain" not in row:
            return [_labelled(one, neutral_possible) for one in row["clauses"] if plain(one["text"])]
        named = aspects.get(str(row["domain"]), {})
        return [
            LabelledSentence(plain(one["text"]), aspects=frozenset(filter(None, map(named.get, one["aspects"]))))
            for one in row["clauses"]
            if plain(one["text"])
        ]
    text = plain(str(row.get("text") or ""))
    if not text:
        return []
    if isinstance(row.get("hazard"), bool):
        return [LabelledSentence(text, hazard=row["hazard"])]
    if "features" in row:
        strengths = [one["strength"] for one in row["features"] if one.get("strength")]
        if min(strengths, default=0) < 0 < max(strengths, default=0):
            return []
        total = sum(strengths)
        return [LabelledSentence(text, LABELS[2 if total > 0 else 0])] if total else []
    label = row.get("label")
    return [LabelledSentence(text, label, neutral_possible)] if label in LABELS else []


def _labelled(clause: Mapping[str, Any], neutral_possible: bool) -> LabelledSentence:
    label, aspects = clause.get("label"), clause.get("aspects")
    return LabelledSentence(
        plain(clause["text"]),
        label if label in LABELS else None,
        neutral_possible,
        hazard=clause.get("hazard"),
        aspects=None if aspects is None else frozenset(aspects),
    )


def of_review(review: LabelledReview, views: Views, rng: random.Random, others: Sequence[str]) -> Example:
    """One view of a review. ``others``: sentences that may be added and don't matter to it."""
    drawn = rng.random()
    if drawn < views.title_only and len(review.title.split()) >= 2:
        teacher_text = text = review.title
    elif drawn > 1 - views.beginning_only:
        first = next((review.text[one.start : one.end] for one in sentences(review.text)), "")
        teacher_text = text = joined(review.title, first)
    else:
        teacher_text = text = review.model_text
        if others and rng.random() < views.irrelevant_sentence:
            other = rng.choice(others)
            text = f"{text} {other}" if rng.random() < 0.5 else f"{other} {text}"
    return Example(_changed(text, views, rng), review.label, review.neutral_possible, teacher_text=teacher_text)


def part_of_review(review: LabelledReview, views: Views, rng: random.Random) -> Example:
    """Some of its sentences that stand together, not all of them: a teacher alone may know their label.

    ``review`` has several (``has_parts``).
    """
    spans = sentences(review.text)
    count = rng.randint(1, len(spans) - 1)
    first = rng.randint(0, len(spans) - count)
    text = review.text[spans[first].start : spans[first + count - 1].end]
    if rng.random() < views.title_before_a_part:
        text = joined(review.title, text)
    return Example(_changed(text, views, rng), teacher_text=text)


def has_parts(review: LabelledReview) -> bool:
    """Whether its text has several sentences."""
    return len(sentences(review.text)) > 1


def _changed(text: str, views: Views, rng: random.Random) -> str:
    if rng.random() < views.typing_errors:
        text = with_typing_errors(text, rng)
    if rng.random() < views.other_case:
        text = rng.choice((str.upper, str.lower))(text)
    return text


def of_sentences(groups: Sequence[Sequence[LabelledSentence]], rng: random.Random) -> Iterator[Example]:
    """Examples of sentences only: those of a review together, others with up to three of their kind."""
    alone = [group[0] for group in groups if len(group) == 1]
    rng.shuffle(alone)
    at = 0
    while at < len(alone):
        count = rng.randint(1, _MOST_TOGETHER)
        yield together(alone[at : at + count])
        at += count
    for group in groups:
        if len(group) > 1:
            yield together(group)


def together(some: Sequence[LabelledSentence]) -> Example:
    """The text that these sentences make, one after another: Chinese ones with commas between, others with spaces."""
    spans, text = [], ""
    for one in some:
        if text:
            text += "，" if _HAN.match(text[-1]) else " "
        spans.append((len(text), len(text) + len(one.text)))
        text += one.text
    return Example(text, spans=tuple(spans), sentences=tuple(some))


def with_weak_hazards(examples: Sequence[Example]) -> list[Example]:
    """The same with each sentence of a review labelled weakly as a hazard where it has a safety term.

    Only reviews where a term stands: a sentence without a term may speak of a hazard all the same, next to one that
    has a term it rarely does.
    """
    spoken = safety_words_in_each([one.text for one in examples])
    return [_with_hazards(one) if index in spoken and not one.sentences else one for index, one in enumerate(examples)]


def _with_hazards(example: Example) -> Example:
    spans = [(one.start, one.end) for one in sentences(example.text)]
    texts = [example.text[start:end] for start, end in spans]
    spoken = safety_words_in_each(texts)
    labelled = tuple(
        LabelledSentence(text, hazard=index in spoken, hazard_weight=WEAK) for index, text in enumerate(texts)
    )
    return replace(example, spans=tuple(spans), sentences=labelled)


def with_typing_errors(text: str, rng: random.Random, share: float = 0.04) -> str:
    """The text with about ``share`` of its letters swapped with the next, left out or doubled."""
    out: list[str] = []
    letters = list(text)
    at = 0
    while at < len(letters):
        if letters[at].isalpha() and rng.random() < share:
            kind = rng.randrange(3)
            if kind == 0 and at + 1 < len(letters):
                out += [letters[at + 1], letters[at]]
                at += 1
            elif kind == 1:
                out += [letters[at], letters[at]]
        else:
            out.append(letters[at])
        at += 1
    return "".join(out)
