"""What a training learns from a teacher: its answers for reviews, for their sentences, and for parts of reviews."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from stream_app.models import derived
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.classifier import load_classifier
from stream_app.ports import ConfigurationError
from stream_app.records import Scores, SentenceScores
from stream_app.training import sentiment_data
from stream_app.training.batches import UNKNOWN
from stream_app.training.data import LabelledReview
from stream_app.training.examples import WEAK, Views, has_parts, part_of_review
from stream_app.training.sentiment import train_sentiment
from stream_app.training.sentiment_data import Recipe, planned, read
from tests.unit.training.reviews import rows, write
from tests.unit.training.small_training import CPU, train


def test_a_student_starts_with_its_teachers_layers_and_learns_its_answers(tmp_path: Path) -> None:
    train(tmp_path, "teacher")
    teacher = load_classifier(str(tmp_path / "teacher"), CPU)
    model = derived.load_derived(tmp_path / "teacher", base_encoder_folder())
    student = derived.student_of(model, 3)
    assert len(student.bert.encoder.layer) == 3
    last = model.bert.encoder.layer[-1].output.dense.weight
    assert student.bert.encoder.layer[-1].output.dense.weight.equal(last)
    train(tmp_path, "student", "full", teacher=teacher, start_from=model)
    assert load_classifier(str(tmp_path / "student"), CPU).languages == {"en"}


def test_a_teacher_answers_texts_as_they_were_before_errors_were_put_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = write(tmp_path / "reviews.jsonl", rows())
    file = write(tmp_path / "sentences.jsonl", [{"text": "It arrived on Monday.", "label": "neutral"}] * 9)
    recipe = Recipe(epochs=20)
    data = read([reviews], [file], [reviews], recipe, sentences_dev=(), language="en", aspects={})
    asked: list[str] = []

    def answered(_: Any, texts: list[str]) -> list[Scores]:
        asked.extend(texts)
        return [Scores(0.25, 0.25, 0.5, truncated=False) for _ in texts]

    monkeypatch.setattr(sentiment_data, "answers", answered)
    tokenizer = derived.tokenizer_of(base_encoder_folder())
    batches = planned(data, tokenizer, recipe, (), cast("Any", "teacher"))
    texts = [
        tokenizer.decode(ids, skip_special_tokens=True) for at in range(len(batches)) for ids in batches[at]["ids"]
    ]
    assert any("monday" in text and "lamp" in text for text in texts), "some reviews have a sentence more"
    written = {text for one in data.train[0] for text in (one.model_text, one.title)}
    assert all(any(text in whole for whole in written) for text in asked)
    for at in range(len(batches)):
        of_reviews = batches[at]["labels"] != UNKNOWN
        assert batches[at]["scores"][of_reviews].sum(dim=1).tolist() == [1.0] * int(of_reviews.sum())


def answer_of(text: str) -> Scores:
    first = SentenceScores(0, len(text.split(" ")[0]), (0.125, 0.375, 0.5), 0.25, ("value",))
    return Scores(0.25, 0.25, 0.5, sentences=(first,))


def taught(folder: Path, monkeypatch: pytest.MonkeyPatch, tasks: set[str]) -> list[dict[str, torch.Tensor]]:
    """The batches of a training with 20 parts an epoch, of reviews of which three have a safety term."""
    reviews = [row | {"text": f"{row['text']} It caught fire."} if row["rating"] == 1 else row for row in rows()]
    file = write(folder / "reviews.jsonl", reviews)
    recipe = Recipe(epochs=4, parts=20)
    data = read([file], [], [file], recipe, sentences_dev=(), language="en", aspects={})
    monkeypatch.setattr(sentiment_data, "answers", lambda _, texts: map(answer_of, texts))
    tokenizer = derived.tokenizer_of(base_encoder_folder())
    aspects = ("durability", "value")
    batches = planned(data, tokenizer, recipe, aspects, cast("Any", "teacher"), frozenset(tasks))
    return [batches[at] for at in range(len(batches))]


def test_a_teachers_answers_for_sentences_are_learned_where_the_text_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = taught(tmp_path, monkeypatch, {"sentiment", "hazard", "aspects"})
    texts = sum(len(one["ids"]) for one in batches)
    of_teacher = 0
    for one in batches:
        from_teacher = one["span_scores"].sum(dim=1) > 0
        count = int(from_teacher.sum())
        of_teacher += count
        assert one["spans"][from_teacher][:, 1].tolist() == [1] * count
        assert one["span_scores"][from_teacher].tolist() == [[0.125, 0.375, 0.5]] * count
        assert one["hazard"][from_teacher].tolist() == [0.25] * count
        assert one["aspects"][from_teacher].tolist() == [[0.0, 1.0]] * count
        assert one["aspects_weight"].tolist() == pytest.approx([WEAK if of else 0.0 for of in from_teacher])
        assert one["span_labels"].tolist() == [UNKNOWN] * len(from_teacher)
    assert texts / 4 < of_teacher < texts * 0.8, "of half of the texts, those without errors and in their own case"
    unlabelled = sum(int((one["labels"] == UNKNOWN).sum()) for one in batches)
    assert unlabelled == 4 * 20, "of a part no label is known"


def test_what_a_teacher_never_learned_is_not_learned_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = taught(tmp_path, monkeypatch, {"sentiment"})
    assert not any(one["aspects_weight"].any() for one in batches)
    hazards = torch.cat([one["hazard"][one["hazard_weight"] > 0] for one in batches])
    assert set(hazards.tolist()) == {0.0, 1.0}, "the weak labels stay"


def test_parts_of_reviews_are_some_of_their_sentences_together() -> None:
    review = LabelledReview("Good.", "It came late. It is red! Works well.", "positive", True)
    rng = random.Random(1)
    views = Views(typing_errors=0.0, other_case=0.0)
    found = {part_of_review(review, views, rng).text for _ in range(100)}
    texts = {"It came late.", "It is red!", "Works well.", "It came late. It is red!", "It is red! Works well."}
    assert found == texts | {f"Good. {text}" for text in texts}
    assert part_of_review(review, views, rng).label is None
    assert not has_parts(replace(review, text="It came late."))


@pytest.mark.parametrize(
    ("recipe", "teacher", "message"),
    [
        (Recipe(base="all-MiniLM-L6-v2", parts=5), None, "--parts makes texts whose label a teacher alone knows"),
        (Recipe(base="all-MiniLM-L6-v2", method="full", heads_only=True), "teacher", "a teacher answers reviews"),
    ],
)
def test_a_teacher_that_would_not_be_asked_is_refused(
    tmp_path: Path, recipe: Recipe, teacher: Any, message: str
) -> None:
    train(tmp_path, "model", "full")
    model = derived.load_derived(tmp_path / "model", base_encoder_folder())
    file = write(tmp_path / "reviews.jsonl", rows())
    with pytest.raises(ConfigurationError, match=message):
        train_sentiment(
            train=[file],
            dev=[file],
            output=tmp_path / "output",
            checkpoint=tmp_path / "checkpoint",
            choice=CPU,
            base=base_encoder_folder(),
            recipe=recipe,
            teacher=teacher,
            start_from=model if recipe.heads_only else None,
        )
