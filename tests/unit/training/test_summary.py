"""A training writes a T5 with its own tokenizer that the summarizer loads, and learns from honest titles only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from stream_app.models.device import DeviceChoice
from stream_app.models.summarizer import load_summarizer
from stream_app.training import summary
from stream_app.training.checkpoint import load_state
from stream_app.training.data import LabelledReview
from stream_app.training.summary import Recipe, learnable, train_summary
from tests.unit.training.reviews import rows, write

CPU = DeviceChoice("cpu", "fp32", 1, "for tests")
RECIPE = Recipe(vocabulary=200, width=64, encoder_layers=1, decoder_layers=1, epochs=1, micro_batch_tokens=256)


def test_the_written_t5_is_loaded_without_a_prompt(tmp_path: Path) -> None:
    file = write(tmp_path / "reviews.jsonl", rows())
    output = tmp_path / "model"
    trained = train_summary(
        train=[file], dev=[file], output=output, checkpoint=tmp_path / "checkpoint", choice=CPU, recipe=RECIPE
    )
    assert trained.pairs == 9
    summarizer = load_summarizer(str(output), CPU)
    assert summarizer.languages == {"en"}
    [tokens] = summarizer.tokenize(["The lamp broke"])
    text = summarizer._tokenizer.decode(tokens.ids, skip_special_tokens=True)  # type: ignore[attr-defined]
    assert text == "The lamp broke"
    assert len(summarizer.run([tokens, tokens])) == 2
    assert orjson.loads((output / "card.json").read_bytes())["scores"]["summaries"] == 9


def test_only_titles_that_the_text_bears_out_are_learned() -> None:
    text = "The zip broke after two days and the shop did not answer my letters at all."
    titles = ["Zip broke after two days", "Disappointing purchase overall", "5", "The zip " + "really " * 10]
    reviews = [LabelledReview(title, text, "negative", neutral_possible=True) for title in titles]
    assert [title for _, title in learnable(reviews, Recipe())] == ["Zip broke after two days"]


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "reviews.jsonl", rows())
    recipe, bf16 = replace(RECIPE, epochs=2), replace(CPU, precision="bf16")
    tokenizers = [summary.train_tokenizer((str(row["text"]) for row in rows()), RECIPE)] * 2  # equal pieces tie anyhow
    monkeypatch.setattr(summary, "train_tokenizer", lambda texts, recipe: tokenizers.pop())

    def train(name: str) -> dict[str, Any]:
        checkpoint = tmp_path / f"{name}.checkpoint"
        train_summary(
            train=[file], dev=[file], output=tmp_path / name, checkpoint=checkpoint, choice=bf16, recipe=recipe
        )
        state = load_state(checkpoint)
        assert state is not None
        return state

    straight = train("straight")
    with monkeypatch.context() as patch:
        patch.setattr(summary, "write_card", _raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            train("interrupted")
    interrupted = train("interrupted")
    assert interrupted["numbers"] == straight["numbers"]
    for name, weights in straight["model"].items():
        assert weights.dtype == torch.float32, "evaluating must not round the model in training"
        assert interrupted["model"][name].equal(weights), name


def _raise_interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
