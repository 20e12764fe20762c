"""Reads the classifier's data and plans all batches of a training."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

from stream_app.ports import TextModel
from stream_app.records import Scores
from stream_app.training.batches import PlannedBatches, tokenized
from stream_app.training.data import LabelledReview, is_held_out, named, read_reviews
from stream_app.training.evaluate import answers
from stream_app.training.examples import (
    WEAK,
    Example,
    LabelledSentence,
    SentenceFile,
    Views,
    has_parts,
    of_review,
    of_sentences,
    part_of_review,
    read_sentences,
    with_weak_hazards,
)
from stream_app.training.progress import tracked
from stream_app.training.rows import Columns

Item = TypeVar("Item")

_SET_ASIDE = 600
_MOST_REPEATS = 3  # of a small file's sentences in an epoch


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is trained. Lengths and batches in tokens.

    ``method``: ``lora`` trains an adapter of ``rank``, ``full`` the layers themselves: ``layers`` of the base's (None:
    all), of these the last ``trained_layers`` (None: all). ``learning_rate`` 0: 5e-4 for LoRA, 6e-5 for full.
    ``reviews_of_file``, ``sentences_of_file``: at most so many of a file are in an epoch; the next epoch takes the next
    ones. ``teacher_share``: of a review's loss, where there is a teacher. ``parts``: in an epoch, texts that are some
    sentences of a review of the first file, of which only the teacher's answer is known. ``label_smoothing``: of the
    reviews' labels, where their file knows all three. ``heads_only``: train the heads for sentences alone, and leave
    the rest as it is.
    """

    base: str = "bge-small-en-v1.5"
    method: Literal["lora", "full"] = "lora"
    layers: int | None = None
    trained_layers: int | None = None
    heads_only: bool = False
    epochs: int = 3
    patience_epochs: int = 2
    learning_rate: float = 0.0
    head_learning_rate: float = 1e-3
    rank: int = 16
    batch_tokens: int = 4096
    max_tokens: int = 256
    warm_up_share: float = 0.06
    label_smoothing: float = 0.05
    reviews_of_file: int = 5000
    sentences_of_file: int = 8000
    sentence_share: float = 0.5
    teacher_share: float = 0.7
    parts: int = 0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Data:
    """Reviews to learn from, by file, to fit the temperature on, and to score with; files of labelled sentences.

    ``held_out``: by the name of a file that names products, the reviews of about a seventh of these.
    """

    train: list[list[LabelledReview]]
    held_out: dict[str, list[LabelledReview]]
    calibration: list[LabelledReview]
    dev: list[LabelledReview]
    sentences: list[SentenceFile]


def read(
    train: Sequence[Path],
    sentences: Sequence[Path],
    dev: Sequence[Path],
    recipe: Recipe,
    *,
    sentences_dev: Sequence[Path],
    language: str,
    aspects: Mapping[str, Mapping[str, str]],
    columns: Columns | None = None,
) -> Data:
    """Read the files, those of reviews with their ``columns``.

    Some reviews of the first one are kept for the temperature: it should be most like production.
    """
    by_name = {name: read_reviews([path], columns) for name, path in named(train).items()}
    held_out = {
        name: [one for one in file if one.product_id and is_held_out(one.product_id)] for name, file in by_name.items()
    }
    apart = {id(one) for file in held_out.values() for one in file}
    files = [[one for one in file if id(one) not in apart] for file in by_name.values()]
    calibration = set_aside(files[0])
    apart = set(map(id, calibration))
    return Data(
        train=[[one for one in file if id(one) not in apart] for file in files],
        held_out={name: file for name, file in held_out.items() if file},
        calibration=calibration,
        dev=read_reviews(dev, columns),
        sentences=[
            replace(
                read_sentences(path, aspects, language, all_held_out=number >= len(sentences)),
                name=name,
            )
            for number, (name, path) in enumerate(named([*sentences, *sentences_dev]).items())
        ],
    )


def set_aside(reviews: Sequence[LabelledReview]) -> list[LabelledReview]:
    """The reviews of a training file that teach nothing, the same ones in each training: to fit the temperature on.

    Those of products that are held out are not among them.
    """
    learned = [one for one in reviews if not (one.product_id and is_held_out(one.product_id))]
    by_digest = sorted(learned, key=lambda one: sha256(one.model_text.encode()).digest())
    return by_digest[: min(_SET_ASIDE, len(by_digest) // 10)]


def planned(
    data: Data,
    tokenizer: Any,
    recipe: Recipe,
    aspects: tuple[str, ...],
    teacher: TextModel[Scores] | None,
    teacher_tasks: frozenset[str] = frozenset(),
) -> PlannedBatches:
    """All epochs' batches: the next part of each file's reviews, parts of reviews, and every sentence.

    ``teacher_tasks``: what the teacher has learned to say of sentences.
    """
    files = [random.Random(recipe.seed).sample(file, len(file)) for file in data.train]
    others = [one.text for file in data.sentences for group in file.train for one in group if one.label == "neutral"]
    # files may be sorted by label
    sentences = [random.Random(recipe.seed).sample(file.train, len(file.train)) for file in data.sentences]
    views = Views()
    epochs = []
    have_parts = list(filter(has_parts, files[0])) if recipe.parts else []
    for number in range(recipe.epochs):
        rng = random.Random(f"{recipe.seed} {number}")
        examples = [
            of_review(one, views, rng, others)
            for file in files
            for one in _next_items(file, number, 0 if recipe.heads_only else min(recipe.reviews_of_file, len(file)))
        ]
        examples += [
            part_of_review(rng.choice(have_parts), views, rng) for _ in range(recipe.parts if have_parts else 0)
        ]
        examples = with_weak_hazards(examples)
        for groups in sentences:
            count = min(recipe.sentences_of_file, _MOST_REPEATS * len(groups))
            examples += of_sentences(_next_items(groups, number, count), rng)
        epochs.append(examples)
    if teacher is not None:
        epochs = _taught(epochs, teacher, teacher_tasks)
    return PlannedBatches(
        [tokenized(examples, tokenizer, recipe.max_tokens) for examples in epochs],
        batch_tokens=recipe.batch_tokens,
        aspects=aspects,
        padding_id=tokenizer.pad_token_id,
        seed=recipe.seed,
    )


def _next_items(items: Sequence[Item], number: int, most: int) -> list[Item]:
    """The ``number``-th part of ``most`` items; behind the last comes the first."""
    return [items[(number * most + at) % len(items)] for at in range(most if items else 0)]


def _taught(
    epochs: Sequence[Sequence[Example]], teacher: TextModel[Scores], tasks: frozenset[str]
) -> list[list[Example]]:
    """The same with the teacher's answers for the reviews and their parts; a text is computed once.

    The teacher answers texts as they were before typing errors and the like, so that the student learns to ignore them.
    Where the text is as it was, its answers for the sentences are learned too, also instead of weak labels.
    """
    texts = list(dict.fromkeys(one.teacher_text for examples in epochs for one in examples if one.teacher_text))
    found = dict(zip(texts, tracked(answers(teacher, texts), "teacher", len(texts)), strict=True))
    return [[_with_answer(one, found.get(one.teacher_text or ""), tasks) for one in examples] for examples in epochs]


def _with_answer(example: Example, answer: Scores | None, tasks: frozenset[str]) -> Example:
    if answer is None:
        return example
    example = replace(example, scores=(answer.negative, answer.neutral, answer.positive))
    keeps_weak_hazards = bool(example.sentences) and "hazard" not in tasks
    if example.text != example.teacher_text or not answer.sentences or keeps_weak_hazards:
        return example
    return replace(
        example,
        spans=tuple((one.start, one.end) for one in answer.sentences),
        sentences=tuple(
            LabelledSentence(
                example.text[one.start : one.end],
                scores=None if one.doubtful else one.probabilities,
                hazard=one.hazard if "hazard" in tasks else None,
                hazard_weight=WEAK,
                aspects=frozenset(one.aspects) if "aspects" in tasks else None,
                aspects_weight=WEAK,
            )
            for one in answer.sentences
        ),
    )
