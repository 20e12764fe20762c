"""`stream-app models export` writes folders that transformers reads; `list` and `show` say what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, AutoTokenizer
from typer.testing import CliRunner

from stream_app.__main__ import app
from stream_app.models.catalog import CATALOG
from stream_app.models.classifier import find_classifier
from stream_app.models.model_store import ModelStore
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

TEXT = "It broke after two days."


FETCHED = ModelStore.of(Settings(_env_file=None))


@pytest.fixture
def base(models_folder: Path) -> None:
    """The base encoder of the bundled classifier, as if it had been fetched."""
    folder = FETCHED.folder_of(CATALOG["bge-small-en-v1.5"])
    models_folder.mkdir()
    (models_folder / folder.name).symlink_to(folder)


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAM_APP_MODELS_FOLDER", str(tmp_path / "models"))
    return tmp_path / "models"


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["models", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("review-sentiment-en", AutoModelForSequenceClassification),
        ("t5-review-title", AutoModelForSeq2SeqLM),
        ("all-MiniLM-L6-v2", AutoModel),
    ],
)
@pytest.mark.usefixtures("base")
def test_exported_model_is_loaded_whole(tmp_path: Path, name: str, loader: Any) -> None:
    run("export", name, str(tmp_path / "mine"))

    _, loaded = loader.from_pretrained(tmp_path / "mine", output_loading_info=True)
    assert not any(loaded.values())
    assert AutoTokenizer.from_pretrained(tmp_path / "mine")(TEXT).input_ids
    assert [file.name for file in tmp_path.iterdir() if file.name not in ("mine", "models")] == []


@pytest.mark.usefixtures("base")
def test_exported_classifier_answers_as_the_bundled_one(tmp_path: Path) -> None:
    """The adapter is in its weights."""
    run("export", "review-sentiment-en", str(tmp_path / "mine"))

    exported, bundled = find_classifier(str(tmp_path / "mine")), find_classifier("bundled")
    batch = bundled.tokenizer(TEXT, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        torch.testing.assert_close(exported.model(**batch).logits, bundled.model(**batch).logits)
    assert exported.model.config.id2label == bundled.model.config.id2label


def test_encoder_without_a_head_is_no_classifier(tmp_path: Path) -> None:
    """transformers would give it random weights, and every review a random label."""
    run("export", "all-MiniLM-L6-v2", str(tmp_path / "mine"))

    with pytest.raises(ConfigurationError, match="a classifier needs a trained head"):
        find_classifier(str(tmp_path / "mine"))


def test_export_overwrites_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="exists: name a new folder"):
        run("export", "t5-review-title", str(tmp_path))


def test_export_of_what_was_not_fetched_says_how(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"stream-app models fetch bge-small-en-v1\.5"):
        run("export", "bge-small-en-v1.5", str(tmp_path / "mine"))


def test_list_has_every_model_with_its_state() -> None:
    rows = {row["name"]: row for row in map(json.loads, run("list", "--json").splitlines())}

    assert list(rows) == list(CATALOG)
    assert {name: (row["state"], row["hash"]) for name, row in rows.items()} == {
        "review-sentiment-en": ("bundled", None),
        "review-sentiment-en-large": ("bundled", None),
        "review-sentiment-zh": ("bundled", None),
        "t5-review-title": ("bundled", None),
        "all-MiniLM-L6-v2": ("installed", "ok"),
        "bge-small-en-v1.5": ("missing", None),
        "bge-small-zh-v1.5": ("missing", None),
    }
    assert all(name in run("list") for name in CATALOG)


def test_show_has_numbers_and_card() -> None:
    shown = run("show", "t5-review-title")

    assert "parameters" in shown
    assert "## Limits" in shown


def test_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean bge-small-en-v1\.5\?"):
        run("show", "bge-small-en")
