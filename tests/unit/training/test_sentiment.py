"""A training writes what differs from the base encoder, which the classifier loads, and resumes where it ended."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import orjson
import pytest
import torch
from safetensors.torch import load_file

from stream_app.models import derived
from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature, temperature_of_card
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.classifier import find_classifier, load_classifier
from stream_app.models.device import DeviceChoice
from stream_app.ports import ConfigurationError
from stream_app.records import LABELS, Scores, SentenceScores
from stream_app.training import sentiment_data, sentiment_trainer
from stream_app.training.batches import UNKNOWN
from stream_app.training.calibration import bins_of, calibration_error
from stream_app.training.card import state_temperature
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers, probabilities_of
from stream_app.training.examples import WEAK, Views, has_parts, part_of_review
from stream_app.training.sentiment import train_sentiment
from stream_app.training.sentiment_data import Recipe, planned, read
from stream_app.training.sentiment_trainer import SentimentTrainer, SentimentTraining
from tests.unit.training.reviews import rows, write

CPU = DeviceChoice("cpu", "fp32", 1, "for tests")
ASPECTS = {"durability": "how long it lasts", "value": "whether it is worth its price"}
SENTENCES: list[dict[str, Any]] = [
    {"text": "The lid broke.", "label": "negative"},
    {"text": "It caught fire.", "hazard": True},
    {"text": "It is warm.", "hazard": False},
    {
        "domain": "kettles",
        "clauses": [{"text": "cheap", "aspects": ["Price"]}, {"text": "and red", "aspects": ["None"]}],
    },
]


def two_sided() -> list[dict[str, object]]:
    return [row for row in rows() if row.get("label") != "neutral" and row.get("rating") != 3]


def train(
    folder: Path,
    output: str,
    method: Literal["lora", "full"] = "lora",
    *,
    heads_only: bool = False,
    seed: int = 1,
    reviews: list[dict[str, object]] | None = None,
    **others: Any,
) -> SentimentTraining:
    file = write(folder / "reviews.jsonl", reviews or rows())
    # the held-out sentences are those whose hash is small: some of so many texts
    sentences = write(
        folder / "sentences.jsonl",
        [row | ({"text": f"{row['text']} {n}"} if "text" in row else {}) for n in range(9) for row in SENTENCES],
    )
    return train_sentiment(
        train=[file],
        sentences=[sentences],
        dev=[file],
        output=folder / output,
        checkpoint=folder / f"{output}.checkpoint",
        choice=CPU,
        base=base_encoder_folder(),
        recipe=Recipe(
            base="all-MiniLM-L6-v2",
            method=method,
            layers=2 if method == "full" else None,
            epochs=2,
            rank=2,
            batch_tokens=256,
            heads_only=heads_only,
            seed=seed,
        ),
        aspects=ASPECTS,
        clause_aspects={"kettles": {"Price": "value"}},
        **others,
    )


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_written_model_judges_as_its_card_says(tmp_path: Path, method: Literal["lora", "full"]) -> None:
    trained = train(tmp_path, "model", method)
    classifier = load_classifier(str(tmp_path / "model"), CPU)
    texts = [f"{row['title']}. {row['text']}" for row in rows()]
    predicted = [
        LABELS[max(range(3), key=(one.negative, one.neutral, one.positive).__getitem__)]
        for one in answers(classifier, texts)
    ]
    labels = ["positive"] * 3 + ["neutral"] * 3 + ["negative"] * 3
    right = sum(left == right for left, right in zip(predicted, labels, strict=True))
    card = orjson.loads((tmp_path / "model" / "card.json").read_bytes())
    assert card["scores"]["whole_reviews"]["accuracy"] == pytest.approx(right / 9)
    assert trained.scores.accuracy == pytest.approx(right / 9)
    assert [one["rows"] for one in card["train"]] == [9, 36]
    assert "hazard_recall" in card["scores"]["held_out_sentences"]["sentences"]
    assert card["learned_aspects"] == ["value"]
    assert (tmp_path / "model" / derived.weights_of(tmp_path / "model")).stat().st_size < 10_000_000
    assert classifier.languages == {"en"}
    [scores] = classifier.run(classifier.tokenize(["The lid broke. It caught fire."]))
    assert len(scores.sentences) == 2
    assert all(one.probabilities and one.probabilities[1] < 1e-9 for one in scores.sentences)  # none was neutral


def test_the_temperature_of_a_training_is_that_of_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temperature = AdaptiveTemperature(-0.5, 1.5)
    monkeypatch.setattr(sentiment_trainer, "fitted_temperature", lambda reviews, probabilities: temperature)
    trained = train(tmp_path, "model", "full")
    found = find_classifier(str(tmp_path / "model"))
    assert found.temperature == temperature

    texts = [f"{row['title']}. {row['text']}" for row in rows()]
    [plain, scaled, loaded] = [
        probabilities_of(list(answers(one, texts)))
        for one in (replace(found, temperature=ONE).on(CPU), found.on(CPU), found.as_loaded())
    ]
    expected = temperature.scaled(torch.from_numpy(plain).log()).softmax(dim=-1).numpy()
    assert abs(plain - scaled).max() > 0.01
    assert scaled == pytest.approx(expected, abs=1e-5)
    assert loaded == pytest.approx(expected, abs=1e-5)
    right = scaled.argmax(axis=1) == [2] * 3 + [1] * 3 + [0] * 3
    assert trained.scores.calibration_error == pytest.approx(
        calibration_error(bins_of(scaled.max(axis=1), right)), abs=1e-3
    )

    state_temperature(tmp_path / "model", ONE)
    assert find_classifier(str(tmp_path / "model")).name.revision != found.name.revision


def test_a_model_that_saw_no_neutral_review_never_answers_neutral(tmp_path: Path) -> None:
    file = write(tmp_path / "two_sided.jsonl", two_sided())
    train_sentiment(
        train=[file],
        dev=[file],
        output=tmp_path / "model",
        checkpoint=tmp_path / "checkpoint",
        choice=CPU,
        base=base_encoder_folder(),
        recipe=Recipe(base="all-MiniLM-L6-v2", method="full", layers=1, epochs=1, batch_tokens=64),
    )
    classifier = load_classifier(str(tmp_path / "model"), CPU)
    assert max(one.neutral for one in answers(classifier, ["fine", "so so", "it broke"])) < 1e-6


def test_heads_that_are_trained_alone_leave_the_reviews_answers_as_they_are(tmp_path: Path) -> None:
    train(tmp_path, "model", "full")
    before = derived.load_derived(tmp_path / "model", base_encoder_folder())
    of_before = AdaptiveTemperature(-0.5, 1.0)
    train(tmp_path, "heads", "full", start_from=before, heads_only=True, temperature=of_before)
    assert temperature_of_card(tmp_path / "heads") == of_before
    after = derived.load_derived(tmp_path / "heads", base_encoder_folder())
    assert after.classifier.weight.equal(before.classifier.weight)
    assert after.bert.encoder.layer[0].output.dense.weight.equal(before.bert.encoder.layer[0].output.dense.weight)
    assert not after.sentence_classifier.weight.equal(before.sentence_classifier.weight)


def test_a_model_of_another_base_is_refused(tmp_path: Path) -> None:
    other = derived.new_model(base_encoder_folder(), 1)
    with torch.no_grad():
        other.bert.embeddings.word_embeddings.weight += 0.01
    with pytest.raises(ConfigurationError, match="was not trained on the base encoder"):
        train(tmp_path, "model", "full", start_from=other)


def test_neutral_that_a_model_knew_is_kept_where_heads_are_trained_alone_without_it(tmp_path: Path) -> None:
    """Neither file knows neutral: reviews are answered as before, and the row of neutral sentences is the old one."""
    train(tmp_path, "model", "full")
    before = derived.load_derived(tmp_path / "model", base_encoder_folder())
    with torch.no_grad():
        before.sentence_classifier.bias[1] = 0.25
    train(tmp_path, "heads", "full", start_from=before, heads_only=True, reviews=two_sided())
    after = derived.load_derived(tmp_path / "heads", base_encoder_folder())
    assert after.classifier.bias.equal(before.classifier.bias)
    assert after.sentence_classifier.bias[1] == 0.25
    assert after.sentence_classifier.weight[1].equal(before.sentence_classifier.weight[1])
    assert not after.sentence_classifier.weight[0].equal(before.sentence_classifier.weight[0])
    card = orjson.loads((tmp_path / "heads" / "card.json").read_bytes())
    assert not any("never answers neutral" in one for one in card["limits"])


def test_heads_alone_with_an_adapter_are_refused_instead_of_training_nothing(tmp_path: Path) -> None:
    base = derived.new_model(base_encoder_folder(), 1)
    with pytest.raises(ConfigurationError, match="Add --method full"):
        train(tmp_path, "heads", "lora", start_from=base, heads_only=True)
    assert not (tmp_path / "heads").exists()


def test_heads_alone_of_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--from MODEL"):
        train(tmp_path, "heads", "full", heads_only=True)


@pytest.mark.parametrize("options", [{"layers": 2}, {}])
def test_an_adapter_for_other_layers_than_the_base_encoders_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    """It would be loaded onto the base encoder: a model that nobody scored."""
    file = write(tmp_path / "reviews.jsonl", rows())
    with pytest.raises(ConfigurationError, match="Add --method full"):
        train_sentiment(
            train=[file],
            dev=[file],
            output=tmp_path / "model",
            checkpoint=tmp_path / "checkpoint",
            choice=CPU,
            base=base_encoder_folder(),
            recipe=Recipe(base="all-MiniLM-L6-v2", **options),
            start_from=None if options else derived.new_model(base_encoder_folder(), 1),
        )
    assert not (tmp_path / "checkpoint").exists()


def test_a_complete_training_keeps_no_state_and_may_be_made_again(tmp_path: Path) -> None:
    """Its steps would be taken for those of the next one, which would train nothing."""
    train(tmp_path, "model")
    assert not (tmp_path / "model.checkpoint").exists()
    first = (tmp_path / "model" / derived.ADAPTER_WEIGHTS).read_bytes()
    train(tmp_path, "model", seed=7)
    assert (tmp_path / "model" / derived.ADAPTER_WEIGHTS).read_bytes() != first


def test_the_state_of_another_training_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SentimentTrainer, "evaluate", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, "model")
    with pytest.raises(ConfigurationError, match="the state of another training"):
        train(tmp_path, "model", seed=7)


def test_files_of_one_name_in_two_folders_are_both_learned_from(tmp_path: Path) -> None:
    files, sentences = [], []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(write(folder / "reviews.jsonl", rows()))
        sentences.append(write(folder / "sentences.jsonl", [{"text": "It broke.", "label": "negative"}]))
    data = read(files, sentences, files, Recipe(), sentences_dev=(), language="en", aspects={})
    assert sum(len(file) for file in data.train) + len(data.calibration) == 18
    assert [file.name for file in data.sentences] == ["sentences", "sentences-2"]


def test_sentences_of_a_sorted_file_are_learned_from_all_of_it(tmp_path: Path) -> None:
    """All the negative ones stood behind the first eight thousand, and none was learned."""
    file = write(
        tmp_path / "sorted.jsonl",
        [{"text": f"text {n}", "label": "positive" if n < 50 else "negative"} for n in range(100)],
    )
    reviews = write(tmp_path / "reviews.jsonl", rows())
    recipe = Recipe(base="all-MiniLM-L6-v2", epochs=1, sentences_of_file=20, batch_tokens=64)
    data = read([reviews], [file], [reviews], recipe, sentences_dev=(), language="en", aspects={})
    batches = planned(data, derived.tokenizer_of(base_encoder_folder()), recipe, (), None)
    labels = {label for at in range(len(batches)) for label in batches[at]["span_labels"].tolist()}
    assert labels == {LABELS.index("negative"), LABELS.index("positive")}


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
    assert texts / 3 < of_teacher < texts * 0.9, "of six in ten texts, those without errors and in their own case"
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


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path, "straight")
    with monkeypatch.context() as patch:
        patch.setattr(SentimentTrainer, "evaluate", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, "interrupted")
    train(tmp_path, "interrupted")
    straight, interrupted = (
        load_file(str(tmp_path / name / derived.ADAPTER_WEIGHTS)) for name in ("straight", "interrupted")
    )
    for name, weights in straight.items():
        assert interrupted[name].equal(weights), name


def _interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt
