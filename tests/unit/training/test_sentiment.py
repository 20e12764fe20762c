"""A training writes an adapter that the classifier loads, and goes on where it was interrupted."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from stream_app.models.classifier import ADAPTER_WEIGHTS, load_classifier
from stream_app.models.device import DeviceChoice
from stream_app.records import LABELS
from stream_app.training import sentiment
from stream_app.training.checkpoint import load_state
from stream_app.training.evaluate import answers
from stream_app.training.sentiment import Recipe, SentimentTraining, train_sentiment
from tests.unit.training.reviews import rows, write

CPU = DeviceChoice("cpu", "fp32", 1, "for tests")
RECIPE = Recipe(epochs=2, patience_epochs=2, rank=2, micro_batch_tokens=64)


def train(folder: Path, output: str) -> SentimentTraining:
    file = write(folder / "reviews.jsonl", rows())
    return train_sentiment(
        train=[file],
        dev=[file],
        output=folder / output,
        checkpoint=folder / f"{output}.checkpoint",
        choice=CPU,
        recipe=RECIPE,
    )


def test_the_written_adapter_judges_as_its_card_says(tmp_path: Path) -> None:
    trained = train(tmp_path, "model")
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
    assert card["train"][0]["rows"] == 9
    assert (tmp_path / "model" / ADAPTER_WEIGHTS).stat().st_size < 5_000_000
    assert classifier.languages == {"en"}


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path, "straight")
    with monkeypatch.context() as patch:
        patch.setattr(sentiment._Run, "_sample", _interrupted(after=1))
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, "interrupted")
    train(tmp_path, "interrupted")
    straight, interrupted = (load_state(tmp_path / f"{name}.checkpoint") for name in ("straight", "interrupted"))
    assert straight is not None
    assert interrupted is not None
    assert interrupted["numbers"] == straight["numbers"]
    for name, weights in straight["adapter"].items():
        assert interrupted["adapter"][name].equal(weights), name


def _interrupted(after: int):  # type: ignore[no-untyped-def]
    sample = sentiment._Run._sample

    def interrupting(run: sentiment._Run):  # type: ignore[no-untyped-def]
        if run.epoch > after:
            raise KeyboardInterrupt
        return sample(run)

    return interrupting
