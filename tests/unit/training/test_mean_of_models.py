"""A model may be the mean of others' weights, written and scored without a training."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import torch
from typer.testing import CliRunner

from stream_app.__main__ import app
from stream_app.models import derived
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.ports import ConfigurationError
from tests.unit.training.reviews import rows, write
from tests.unit.training.small_training import train


def command(folder: Path, *options: str) -> BaseException | None:
    file = str(write(folder / "reviews.jsonl", rows()))
    data = ["--train", file, "--dev", file, "--output", str(folder / "mean"), "--base", "all-MiniLM-L6-v2"]
    return CliRunner().invoke(app, ["train", "sentiment", "--method", "full", *data, *options]).exception


def test_mean_of_two_models_is_written_and_scored(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("other", 2)):
        train(tmp_path, name, "full", seed=seed)
    models = [str(tmp_path / name) for name in ("one", "other")]
    assert command(tmp_path, "--from", models[0], "--from", models[1], "--epochs", "0") is None

    one, other, mean = (
        derived.load_derived(tmp_path / name, base_encoder_folder()).state_dict() for name in ("one", "other", "mean")
    )
    for name, value in mean.items():
        torch.testing.assert_close(value, (one[name] + other[name]) / 2, atol=2e-3, rtol=0)  # half precision
    assert not mean["classifier.weight"].equal(one["classifier.weight"])
    card = orjson.loads((tmp_path / "mean" / "card.json").read_bytes())
    assert card["scores"]["whole_reviews"]["reviews"] == 9
    assert card["recipe"]["epochs"] == 0


def test_what_models_share_stays_exactly_as_it_is() -> None:
    """A third of three times a weight is not always that weight: the mean would be taken for one of another base."""
    model = derived.new_model(base_encoder_folder(), 1)
    mean = derived.mean_of([model, model, model])
    assert derived.has_embeddings_of(mean, base_encoder_folder())


def test_models_of_different_layers_have_no_mean(tmp_path: Path) -> None:
    models = [derived.new_model(base_encoder_folder(), layers) for layers in (1, 2)]
    with pytest.raises(ValueError, match="different layers"):
        derived.mean_of(models)
    error = command(tmp_path, "--from", "review-sentiment-en", "--from", "review-sentiment-en-large", "--epochs", "0")
    assert isinstance(error, ConfigurationError)
    assert "models of different layers have no mean" in str(error)


def test_no_epochs_of_no_model_are_refused(tmp_path: Path) -> None:
    error = command(tmp_path, "--epochs", "0")
    assert isinstance(error, ConfigurationError)
    assert "Name one or several: --from MODEL" in str(error)
