"""A training writes what differs from the base encoder, which the classifier loads, and resumes where it ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
import torch
from safetensors.torch import load_file

from stream_app.models import derived
from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature, temperature_of_card
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.classifier import find_classifier, load_classifier
from stream_app.ports import ConfigurationError
from stream_app.records import LABELS
from stream_app.training import sentiment_trainer
from stream_app.training.calibration import bins_of, calibration_error
from stream_app.training.card import state_temperature
from stream_app.training.evaluate import answers, probabilities_of
from stream_app.training.sentiment import train_sentiment
from stream_app.training.sentiment_data import Recipe, planned, read
from stream_app.training.sentiment_trainer import SentimentTrainer
from tests.unit.training.reviews import rows, write
from tests.unit.training.small_training import CPU, train, two_sided


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
