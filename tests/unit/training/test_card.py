"""Model cards: a score can be traced to the data that it was taken on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson

from stream_app.training.card import flat, write_card


def test_card_names_data_scores_limits_and_recipe(tmp_path: Path) -> None:
    train, dev = tmp_path / "shop.jsonl", tmp_path / "held_back.jsonl"
    train.write_text('{"text": "a"}\n{"text": "b"}\n')
    dev.write_text('{"text": "c"}\n')
    output = tmp_path / "model"

    write_card(
        output,
        title="A model",
        purpose="For a test.",
        limits=["English only."],
        train=[train],
        dev=[dev],
        recipe={"epochs": 3},
        scores={"accuracy": 0.87654, "of": {"negative_reviews": 12}},
    )

    card = orjson.loads((output / "card.json").read_bytes())
    assert card["train"] == [
        {"name": "shop.jsonl", "rows": 2, "sha256": hashlib.sha256(train.read_bytes()).hexdigest()}
    ]
    assert card["scores"]["accuracy"] == 0.87654
    for_people = (output / "README.md").read_text()
    for shown in ("shop.jsonl", "held_back.jsonl", "| accuracy | 0.8765 |", "English only.", "epochs: 3"):
        assert shown in for_people


def test_nested_scores_are_named_by_their_path() -> None:
    assert flat({"all": {"macro_f1": 0.5}, "rows": 2}) == [("all macro f1", 0.5), ("rows", 2)]
