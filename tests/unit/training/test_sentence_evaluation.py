"""A written classifier is asked about the sentences of files, each judged for what it is labelled for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_app.models import derived
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.model_store import ModelStore
from stream_app.ports import ConfigurationError
from stream_app.steps.aspects import load_aspects
from stream_app.training.sentence_evaluation import evaluate_sentence_files
from tests.unit.training.reviews import write

CLAUSES: list[dict[str, Any]] = [
    {
        "domain": "kettles",
        "clauses": [{"text": "a cheap kettle", "aspects": ["Price"]}, {"text": "and so on", "aspects": ["None"]}],
    }
]
HAZARDS: list[dict[str, Any]] = [
    {"text": "It caught fire.", "hazard": True, "language": "en"},
    {"text": "It is warm.", "hazard": False, "language": "en"},
    {"text": "着火了", "hazard": True, "language": "zh"},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of two layers that has learned nothing."""
    folder = tmp_path_factory.mktemp("model")
    fresh = derived.new_model(base_encoder_folder(), 2)
    derived.save_layers(fresh, fresh.state_dict(), "all-MiniLM-L6-v2", base_encoder_folder(), folder)
    return folder


def evaluate(model: Path, *paths: Path, held_out: bool = False) -> dict[str, Any]:
    name, reports = evaluate_sentence_files(
        model,
        ModelStore(model / "store"),
        paths,
        aspects=load_aspects(),
        clause_aspects={"kettles": {"Price": "value"}},
        held_out=held_out,
    )
    assert name.name.endswith(model.name)
    return reports


def test_each_file_is_judged_for_what_it_is_labelled_for(tmp_path: Path, model: Path) -> None:
    clauses, hazards = write(tmp_path / "clauses.jsonl", CLAUSES), write(tmp_path / "hazards.jsonl", HAZARDS)
    reports = evaluate(model, clauses, hazards)
    assert {name: list(of) for name, of in reports.items()} == {"clauses": ["aspects"], "hazards": ["hazard"]}
    assert reports["clauses"]["aspects"]["sentences"] == 2
    assert reports["clauses"]["aspects"]["keywords"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "of": 1}
    assert reports["hazards"]["hazard"]["sentences"] == 2  # those in English


def test_a_file_without_held_out_sentences_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ConfigurationError, match="no labelled sentence is held out"):
        evaluate(model, write(tmp_path / "hazards.jsonl", HAZARDS[:1]), held_out=True)


def test_a_folder_without_a_trained_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a model that `stream-app train sentiment` wrote"):
        evaluate(tmp_path, write(tmp_path / "hazards.jsonl", HAZARDS))
